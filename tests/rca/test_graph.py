from rca import ServiceGraph


def test_a_service_calling_itself_is_no_dependency() -> None:
    graph = ServiceGraph([("a", "a")])
    assert graph.services() == ["a"]
    assert list(graph.edges()) == []


def test_a_merged_graph_keeps_the_later_time() -> None:
    merged = ServiceGraph([("a", "b")], seen_ms=5).merged(ServiceGraph([("a", "b"), ("b", "c")], ["d"], seen_ms=3))
    assert list(merged.edges()) == [("a", "b", 5), ("b", "c", 3)]
    assert merged.services() == ["a", "b", "c", "d"]


def test_paths_and_distances_of_strangers_and_islands() -> None:
    graph = ServiceGraph([("a", "b"), ("c", "b")], ["d"])
    assert graph.path("a", "x") == ()
    assert graph.path("b", "a") == ()
    assert graph.distance("a", "c") == 2
    assert graph.distance("a", "d") is None
    assert (graph.distance("x", "x"), graph.distance("x", "a")) == (0, None)
    assert (graph.callees("x"), graph.callers("b"), "a" in graph, len(graph)) == ([], ["a", "c"], True, 4)
