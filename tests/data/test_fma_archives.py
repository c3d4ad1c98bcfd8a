from fmalib import files
from fmalib.data import fma_archives


def test_every_archive_has_the_form_of_its_facts():
    archives = fma_archives.ARCHIVES
    assert [archive.file for archive in archives.values()] == [f"{name}.zip" for name in archives]
    assert all(len(archive.sha1) == 40 and int(archive.sha1, 16) for archive in archives.values())
    assert len({archive.sha1 for archive in archives.values()}) == 5
    sizes = [files.in_words(archive.size) for archive in archives.values()]
    assert sizes == ["342 MiB", "7.2 GiB", "22 GiB", "93 GiB", "879 GiB"]
    assert fma_archives.SUBSETS == ("fma_small", "fma_medium", "fma_large", "fma_full")
