"""The exporter's version follows every source that can change an exported file."""

import shutil

import pytest
from vitrine_export.exporting.version import PACKAGE, SOURCES, digest_of_sources, exporter_version


@pytest.fixture
def package(tmp_path):
    """A copy of the package's sources, which a test may change."""
    return shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__"))


FOLDERS = sorted({path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")})


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_changed_source_changes_the_digest_where_it_counts(package, folder):
    """Sources in and below SOURCES count, those of folders in them too; others do not."""
    before = digest_of_sources(package)
    (package / folder / "__init__.py").write_text("# changed")
    assert (digest_of_sources(package) != before) == (folder.partition("/")[0] in SOURCES)


def test_a_renamed_source_changes_the_digest(package):
    """The names of files count, with their folders."""
    before = digest_of_sources(package)
    (package / "nets" / "flux" / "net.py").rename(package / "nets" / "dit" / "net.py")
    assert digest_of_sources(package) != before


def test_the_version_names_release_sources_and_torch():
    """The version has the beginning of the sources' digest, and torch's version after it."""
    release, _, rest = exporter_version().partition("+")
    assert release
    assert rest.startswith(f"{digest_of_sources(PACKAGE)[:12]}.torch")
