"""What `vitrine gateway` refuses is one line that names the rule, and changes nothing."""

import pytest
from vitrine.command import main


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["key", "--account", "new", "--days", "nan"], "days must be above 0"),
        (["key", "--account", "new", "--days", "-1"], "days must be above 0"),
        (["key", "--account", "new", "--days", "1e300"], "at most 36,500"),
        (["key", "--account", "new", "--credits", "99999999999999999999"], "credits must be at most"),
        (["credits", "--account", "shop", "--add", "999999999999999"], "it would have 1000000000000004"),
        (["migrate", "--revision", "nonsense"], "revision must be one of this gateway's, got 'nonsense'"),
        (["migrate", "--revision=-99"], "revision must be one of this gateway's, got '-99'"),
    ],
)
def test_a_refused_command_is_one_line(shop_key, capsys, options, says):
    """No traceback, and no account or key is made."""
    assert shop_key
    assert main(["gateway", *options]) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told
    assert main(["gateway", "credits", "--account", "new"]) == 1
    assert main(["gateway", "credits", "--account", "shop"]) == 0
    assert capsys.readouterr().out.startswith("shop: 5 credits")
