"""Tokenizers are read in each form that transformers writes, and never run code of a checkpoint."""

import json
import shutil

import pytest
from transformers import CLIPTokenizer
from vitrine_export.check.report import check
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.stage_files import export_files
from vitrine_export.exporting.tokenizers import PARTS, read_tokenizer

FILES = ("prepare_text/1/tokenizer.json", "prepare_text/1/tokenizer_2.json")
TEXT = "a Red  coat, striped!"


def ids(repository):
    from tokenizers import Tokenizer

    return [Tokenizer.from_file(str(repository / file)).encode(TEXT).ids for file in FILES]


def test_a_tokenizer_in_one_file_gives_the_same_ids(own_checkpoint, tmp_path):
    """transformers 5 saves tokenizer.json and tokenizer_config.json alone."""
    export_files(Order(open_checkpoint(own_checkpoint), tmp_path / "before"), "prepare_text", FILES)
    for part in PARTS:
        tokenizer = CLIPTokenizer.from_pretrained(own_checkpoint / part)
        shutil.rmtree(own_checkpoint / part)
        tokenizer.save_pretrained(own_checkpoint / part)
        assert not (own_checkpoint / part / "vocab.json").exists()
    assert check(own_checkpoint, None, tmp_path).problems == []
    done = export_files(Order(open_checkpoint(own_checkpoint), tmp_path / "after"), "prepare_text", FILES)
    assert ids(tmp_path / "after") == ids(tmp_path / "before")
    assert done[0].tokens["length"] == 77


def test_a_pointer_for_the_one_file_is_named(own_checkpoint, tmp_path):
    """It is looked into, also where the two older files are there."""
    (own_checkpoint / "tokenizer" / "tokenizer.json").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
    )
    (told,) = check(own_checkpoint, None, tmp_path).problems
    assert told.startswith("tokenizer/tokenizer.json is a git-lfs pointer")


def test_code_of_a_tokenizer_is_never_run(tmp_path, monkeypatch):
    """A class in the checkpoint's folder is refused without a question, whatever standard input says."""
    ran = tmp_path / "ran"
    config = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "evil.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nfrom transformers import PreTrainedTokenizerFast as Evil\n"
    )
    monkeypatch.setattr("builtins.input", lambda *words: "y")
    with pytest.raises(BadCheckpoint, match=r"^tokenizer/ needs code of its own \(auto_map\), .* never run"):
        read_tokenizer(tmp_path, "tokenizer")
    assert not ran.exists()
