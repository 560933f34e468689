"""Names of images that the files of hloc and Kapture cannot hold."""

import pytest

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.replay.descriptors.pair_files import check_names


@pytest.mark.parametrize('name', ['a b.jpg', 'a,b.jpg', 'a\tb.jpg'])
def test_names_that_would_part_a_column_are_refused(name: str) -> None:
    with pytest.raises(OutputError, match='without spaces and commas'):
        check_names(['c.jpg'], [name], with_descriptors=False)


def test_one_name_for_two_images_is_told_or_refused() -> None:
    assert check_names(['a', 'b'], ['c'], with_descriptors=True) == []
    (remark,) = check_names(['a', 'b'], ['b', 'c'], with_descriptors=False)
    assert remark.startswith('1 names are those of a database image and of a query')
    with pytest.raises(OutputError, match='one image for each name, found 1 names'):
        check_names(['a', 'b'], ['b', 'c'], with_descriptors=True)
