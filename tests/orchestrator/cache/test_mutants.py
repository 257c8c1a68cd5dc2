"""Each safeguard has a named test that fails without it and passes with it."""

import inspect

import pytest
import test_disk
import test_disk_faults
import test_generations
import test_invalidation
import test_memo
import test_memory
import test_store
import test_store_faults
import test_tier_contract
from cache_mutants import MUTANTS
from store_faults import flip
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.generations import OwnGenerations
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.objects import Place, S3Objects
from vitrine_orchestrator.cache.store import Store


def damaged_by(word):
    return lambda path, **_: test_disk_faults.test_a_damaged_file_is_a_miss_and_goes(
        path, test_disk_faults.DAMAGE[word]
    )


def with_path(test):
    return lambda path, **_: test(path)


def with_s3(test):
    return lambda s3, **_: test(s3)


def with_disk(test):
    return lambda path, **_: test(Disk(path))


def with_memory(test):
    return lambda **_: test(Memory(OwnGenerations()))


def with_store(test):
    def call(s3, **_):
        place = Place("bucket", "cache", s3.endpoint, "us-east-1", ("key", "secret"))
        return test(Store(S3Objects(place)))

    return call


# The test that notices, called with what it needs. no_rename is caught by the random run: see test_soak.py.
CAUGHT_BY = {
    "no_checksum": damaged_by("bit of the value"),
    "no_key_in_the_checksum": damaged_by("another key's file"),
    "no_generation_on_disk": with_disk(test_tier_contract.test_forgetting_one_owner_leaves_the_others),
    "no_generation_in_memory": with_memory(
        test_tier_contract.test_work_begun_before_an_invalidation_cannot_bring_a_value_back
    ),
    "no_renewal": lambda opened, **_: test_memo.test_a_value_computed_again_elsewhere_replaces_an_older_one(
        opened
    ),
    "no_generation_in_the_store": with_s3(
        test_store.test_an_upload_begun_before_an_invalidation_is_never_answered
    ),
    "no_flush": with_path(test_generations.test_an_invalidation_is_on_disk_before_it_is_reported),
    "no_digests_in_the_store": lambda s3, **_: (
        test_store_faults.test_a_value_that_stays_damaged_is_a_miss_and_quarantined(s3, flip)
    ),
    "no_if_match": with_s3(test_store_faults.test_parts_of_two_versions_are_never_joined),
    "manifest_first": with_s3(test_store.test_the_manifest_is_written_last),
    "plain_lru": lambda **_: test_memory.test_a_scan_of_one_off_garments_leaves_the_hot_set(),
    "sliding_expiry": lambda **_: test_memory.test_no_read_makes_a_value_immortal(),
    "shared_across_invalidations": lambda opened, **_: (
        test_invalidation.test_a_caller_after_an_invalidation_does_not_join_older_work(opened)
    ),
    "no_tombstones": lambda opened, s3, **_: (
        test_invalidation.test_an_invalidation_while_the_store_is_down_is_queued(opened, s3)
    ),
    "no_sum": with_path(test_disk.test_two_processes_share_one_sum),
    "one_name_for_all_ids": with_store(test_tier_contract.test_hard_names_neither_collide_nor_break),
}


async def run(check, **given):
    """Call a test that may be a coroutine."""
    result = check(**given)
    if inspect.isawaitable(result):
        await result


def test_every_mutant_has_its_test():
    """Every mutant names a test."""
    assert CAUGHT_BY.keys() | {"no_rename"} == MUTANTS.keys()


@pytest.mark.parametrize("mutant", CAUGHT_BY)
async def test_a_mutant_is_caught(mutant, tmp_path, s3, opened, monkeypatch):
    """The named test fails without the safeguard."""
    MUTANTS[mutant](monkeypatch.setattr)
    with pytest.raises(AssertionError):
        await run(CAUGHT_BY[mutant], path=tmp_path, s3=s3, opened=opened)


@pytest.mark.parametrize("mutant", CAUGHT_BY)
async def test_the_same_test_passes_with_the_safeguard(mutant, tmp_path, s3, opened):
    """The test passes with the safeguard, so its failure showed the missing one."""
    await run(CAUGHT_BY[mutant], path=tmp_path, s3=s3, opened=opened)
