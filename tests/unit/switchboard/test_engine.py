"""Instantiation: overlay, messages, order, assertions, relationships, methods (spec automate 8, A to E)."""

from __future__ import annotations

from typing import Any

from tasks.model.outcome import Finding
from tasks.switchboard.errors import LimitExceeded
from tasks.switchboard.workspace import MAX_DEPTH, Workspace
from tests.unit.switchboard.small_datastores import called, datastore, domain, klass, run

VALUE = [("f", "attribute")]


def _root(workspace: Workspace) -> Any:
    assert workspace.root is not None, (workspace.error, workspace.errors)
    return workspace.root


def test_A06_a_disabled_domain_is_never_chosen_nor_addressed() -> None:
    store = datastore(
        domain("Off", klass("NS", "C", VALUE, {"i": {"f": "off"}}), priority=9, enabled=False),
        domain("On", klass("NS", "C", VALUE, {"i": {"f": "on"}})),
    )
    assert _root(run(store, "/NS/C/i")).get("f") == "on"
    assert run(store, "/Off/NS/C/i").errors == [
        "Class [Off/NS/C] not found: no domain has it with this instance or a .missing"
    ]


def test_A08_missing_stands_in_and_knows_the_name_that_was_asked() -> None:
    low = domain("Low", klass("NS", "C", VALUE, {".missing": {"f": "low"}}))
    high = domain("High", klass("NS", "C", VALUE, {".missing": {"f": "high"}}), priority=2)
    root = _root(run(datastore(low, high), "/NS/C/Gone"))
    assert (root.get("f"), root.get("_missing_instance")) == ("high", "Gone")


def test_A10_a_path_with_a_domain_falls_to_the_missing_of_that_domain_only() -> None:
    low = domain("Low", klass("NS", "C", VALUE, {".missing": {"f": "low"}}))
    high = domain("High", klass("NS", "C", VALUE, {"gone": {"f": "high"}}), priority=2)
    assert _root(run(datastore(low, high), "/Low/NS/C/gone")).get("f") == "low"


def test_A12_an_instance_calls_a_method_that_only_a_lower_domain_has() -> None:
    low = domain("Low", klass("NS", "C", [("go", "method")], {}, ["m"]))
    high = domain("High", klass("NS", "C", [("go", "method")], {"i": {"go": "m"}}), priority=2)
    assert [c.method for c in run(datastore(low, high), "/NS/C/i").calls] == ["/Low/NS/C/m"]


def test_A14_no_instance_and_no_missing_is_logged_and_the_run_goes_on() -> None:
    fields = [("r", "relationship"), ("after", "attribute", {"default_value": "ran"})]
    store = datastore(domain("D", klass("NS", "C", fields, {"i": {"r": "/NS/C/none"}})))
    workspace = run(store, "/NS/C/i")
    assert _root(workspace).get("after") == "ran"
    assert workspace.errors == ["Class [NS/C] not found: no domain has it with this instance or a .missing"]
    assert (workspace.error, workspace.outcome) == (None, "missing")


def test_A17_underscore_and_percent_are_plain_characters() -> None:
    high = domain("High", klass("NS", "C", VALUE, {"aXb": {"f": "high"}}), priority=2)
    low = domain("Low", klass("NS", "C", VALUE, {"a_b": {"f": "low"}}))
    assert _root(run(datastore(low, high), "/NS/C/a_b")).get("f") == "low"


def test_A18_a_class_alone_holds_its_defaults_found_through_missing() -> None:
    fields = [("f", "attribute", {"default_value": "default"})]
    store = datastore(domain("D", klass("NS", "C", fields, {".missing": {"f": "missing"}})))
    root = _root(run(store, "/NS/C/"))
    assert (root.get("f"), root.name) == ("default", ".default")


def test_A20_a_class_alone_with_its_domain_needs_no_missing() -> None:
    store = datastore(domain("D", klass("NS", "C", [("f", "attribute", {"default_value": "d"})], {})))
    assert _root(run(store, "/D/NS/C/")).get("f") == "d"


def test_A25_the_parent_of_an_instance_has_no_effect() -> None:
    store = datastore(domain("D", klass("NS", "C", VALUE, {"i": {"$inherits": "other", "f": "x"}})))
    assert _root(run(store, "/NS/C/i")).get("f") == "x"


def test_A26_domains_of_one_priority_are_ordered_by_name() -> None:
    for names in (("Alpha", "Beta"), ("Beta", "Alpha")):
        store = datastore(*(domain(name, klass("NS", "C", VALUE, {"i": {"f": name}})) for name in names))
        assert _root(run(store, "/NS/C/i")).get("f") == "Alpha"


def test_B13_an_array_of_nothing_is_an_empty_list() -> None:
    store = datastore(domain("D", klass("NS", "C", VALUE, {"i": {}})))
    root = _root(run(store, "/NS/C/i?Array::xs=&integer::n=5&boolean::yes=TRUE"))
    assert (root.get("xs"), root.get("n"), root.get("yes")) == ([], 5, True)


def test_D02_a_field_with_a_value_overwrites_its_argument() -> None:
    store = datastore(domain("D", klass("NS", "C", [("a", "attribute"), ("b", "attribute")], {"i": {"a": "own"}})))
    root = _root(run(store, "/NS/C/i?a=given&b=given"))
    assert (root.get("a"), root.get("b")) == ("own", "given")


def test_D04_a_blank_value_falls_back_to_the_default() -> None:
    store = datastore(domain("D", klass("NS", "C", [("f", "attribute", {"default_value": "d"})], {"i": {"f": "  "}})))
    assert _root(run(store, "/NS/C/i")).get("f") == "d"


def test_D06_a_message_is_handed_down_unless_the_relationship_says_another() -> None:
    parent = [("r", "relationship", {"message": "go"}), ("s", "relationship", {"message": "go"})]
    child = [
        ("go", "attribute", {"default_value": "1", "message": "go"}),
        ("no", "attribute", {"default_value": "1", "message": "no"}),
    ]
    store = datastore(
        domain(
            "D",
            klass("NS", "P", parent, {"p": {"r": "/NS/K/k", "s": "/NS/K/k#NO"}}),
            klass("NS", "K", child, {"k": {}}),
        )
    )
    first, second = _root(run(store, "/NS/P/p#go")).children
    assert (first.has("go"), first.has("no")) == (True, False)
    assert (second.has("go"), second.has("no")) == (False, True)


def test_D08_a_message_that_nobody_answers_to_builds_and_does_nothing() -> None:
    store = datastore(domain("D", klass("NS", "C", [("f", "attribute", {"default_value": "x"})], {"i": {}})))
    workspace = run(store, "/NS/C/i#other")
    assert not _root(workspace).has("f")
    assert workspace.outcome == "ok"


def test_D10_a_false_assertion_on_the_first_object_leaves_nothing_and_no_error() -> None:
    store = datastore(
        domain(
            "D",
            klass("NS", "C", [("g", "assertion"), ("go", "method")], {"i": {"g": "1 > 2", "go": "m"}}, ["m"]),
        )
    )
    workspace = run(store, "/NS/C/i")
    assert (workspace.roots, workspace.calls, workspace.error) == ([], [], None)
    told = [(f.kind, f.verdict) for f in workspace.trace if isinstance(f, Finding)]
    assert told == [("instance", "found"), ("object", "refused")]


def test_D12_a_blank_assertion_passes() -> None:
    store = datastore(
        domain("D", klass("NS", "C", [("g", "assertion"), ("go", "method")], {"i": {"g": " ", "go": "m"}}, ["m"]))
    )
    assert called(run(store, "/NS/C/i")) == ["m"]


def test_D16_and_D18_a_relationship_may_fail_or_repeat() -> None:
    parent = [("a", "relationship"), ("b", "relationship"), ("c", "relationship")]
    child = klass("NS", "K", [("go", "method", {"default_value": "m"})], {"k": {}}, ["m"])
    store = datastore(
        domain("D", klass("NS", "P", parent, {"p": {"a": "/NS/None/x", "b": "/NS/K/k", "c": "/NS/K/k"}}), child)
    )
    workspace = run(store, "/NS/P/p")
    assert called(workspace) == ["m", "m"]
    assert len(workspace.errors) == 1


def test_D19_a_chain_of_ever_new_names_is_stopped_at_a_depth() -> None:
    fields = [("r", "relationship", {"default_value": "/NS/C/x${#_missing_instance}"})]
    workspace = run(datastore(domain("D", klass("NS", "C", fields, {".missing": {}}))), "/NS/C/x")
    assert isinstance(workspace.error, LimitExceeded)
    assert str(MAX_DEPTH) in str(workspace.error)


def test_a_tree_that_branches_at_each_level_is_stopped_at_a_size() -> None:
    fields = [(f"r{n}", "relationship", {"default_value": f"/NS/C/{n}${{#_missing_instance}}"}) for n in range(5)]
    workspace = run(datastore(domain("D", klass("NS", "C", fields, {".missing": {}}))), "/NS/C/x")
    assert isinstance(workspace.error, LimitExceeded)
    assert len(workspace.objects) <= 500


def test_objects_on_the_side_that_read_each_other_are_stopped() -> None:
    fields = [(f"a{n}", "attribute", {"default_value": "${miqaedb:/NS/C/i/a0}"}) for n in range(4)]
    workspace = run(datastore(domain("D", klass("NS", "C", fields, {"i": {}}))), "/NS/C/i")
    assert isinstance(workspace.error, LimitExceeded)


def test_D21_and_D23_a_wildcard_builds_all_matches_in_order_or_none() -> None:
    fields = [
        ("all", "relationship", {"collect": "names = n"}),
        ("none", "relationship", {"collect": "empty = n"}),
    ]
    instances = {"i": {"all": "/NS/K/v*", "none": "/NS/K/zz*"}}
    child = klass("NS", "K", [("n", "attribute")], {"vb": {"n": "b"}, "va": {"n": "a"}, "other": {"n": "o"}})
    root = _root(run(datastore(domain("D", klass("NS", "C", fields, instances), child)), "/NS/C/i"))
    assert (root.get("names"), root.get("empty")) == (["a", "b"], [])
    assert len(root.children) == 2


def test_D24_a_wildcard_does_not_look_into_disabled_domains() -> None:
    own = domain("On", klass("NS", "C", [("r", "relationship")], {"i": {"r": "/NS/K/*"}}))
    off = domain("Off", klass("NS", "K", VALUE, {"k": {}}), priority=5, enabled=False)
    assert _root(run(datastore(own, off), "/NS/C/i")).children == []


def test_D36_what_is_dropped_takes_its_children_with_it() -> None:
    child = klass("NS", "K", [("r", "relationship"), ("go", "method")], {"k": {"r": "/NS/L/l", "go": "m"}}, ["m"])
    store = datastore(
        domain(
            "D",
            klass("NS", "P", [("r", "relationship")], {"p": {"r": "/NS/K/k"}}),
            child,
            klass("NS", "L", VALUE, {"l": {}}),
        )
    )
    workspace = run(store, "/NS/P/p", effects={"m": [{"exit": "stop"}]})
    assert [o.name for o in workspace.objects] == ["p"]
    assert len(workspace.roots) == 1
