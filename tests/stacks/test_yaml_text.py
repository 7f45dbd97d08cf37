"""YAML text: what CloudFormation's short forms become, and back."""

import pytest

from stacks.yaml_text import from_yaml, to_yaml


def test_functions_have_their_short_forms() -> None:
    template = {
        "Resources": {
            "A": {
                "Name": {"Fn::Sub": "${Project}-a"},
                "Arn": {"Fn::GetAtt": ["B", "Nested.Arn"]},
                "Import": {"Fn::ImportValue": {"Fn::Sub": "${Project}-x"}},
                "Script": {"Fn::Base64": {"Fn::Sub": "#!/bin/bash\necho $1\n"}},
                "Choice": {"Fn::If": ["C", {"Ref": "D"}, {"Ref": "AWS::NoValue"}]},
            }
        }
    }
    text = to_yaml(template)
    for part in (
        "!Sub '${Project}-a'",
        "!GetAtt 'B.Nested.Arn'",
        "!ImportValue\n",
        "!Base64\n",
        "!If\n",
        "    echo $1\n",
    ):
        assert part in text
    assert from_yaml(text) == template


def test_functions_of_rules_keep_their_long_form() -> None:
    rule = {"Fn::EachMemberEquals": [{"Fn::ValueOf": ["Subnets", "VpcId"]}, {"Ref": "VpcId"}]}
    assert "!EachMemberEquals" not in to_yaml(rule)
    assert from_yaml(to_yaml(rule)) == rule


def test_dates_and_numbers_stay_what_they_are() -> None:
    assert from_yaml("Version: 2012-10-17\nCount: 3\nText: '3'") == {"Version": "2012-10-17", "Count": 3, "Text": "3"}


def test_json_is_read_too() -> None:
    assert from_yaml('{"Resources": {"A": {"Ref": "B"}}}') == {"Resources": {"A": {"Ref": "B"}}}


@pytest.mark.parametrize("text", ["a: [", "- 1", "words"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not "):
        from_yaml(text)
