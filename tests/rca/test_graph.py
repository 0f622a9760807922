import random

import networkx as nx
import pytest

from rca import ServiceGraph


def test_a_service_calling_itself_is_no_dependency() -> None:
    graph = ServiceGraph([("a", "a")])
    assert graph.services() == ["a"]
    assert list(graph.edges()) == []


def test_a_merged_graph_keeps_the_later_time_and_forgets_what_is_old() -> None:
    merged = ServiceGraph([("a", "b")], seen_ms=5).merged(ServiceGraph([("a", "b"), ("b", "c")], ["d"], seen_ms=3))
    assert list(merged.edges()) == [("a", "b", 5), ("b", "c", 3)]
    young = merged.without_older(4)
    assert list(young.edges()) == [("a", "b", 5)]
    assert young.services() == ["a", "b", "d"]


def test_paths_and_distances_of_strangers_and_islands() -> None:
    graph = ServiceGraph([("a", "b"), ("c", "b")], ["d"])
    assert graph.path("a", "x") == ()
    assert graph.path("b", "a") == ()
    assert graph.distance("a", "c") == 2
    assert graph.distance("a", "d") is None
    assert (graph.distance("x", "x"), graph.distance("x", "a")) == (0, None)
    assert (graph.callees("x"), graph.callers("b"), "a" in graph, len(graph)) == ([], ["a", "c"], True, 4)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_reached_and_the_shortest_paths_are_those_of_networkx(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"s{i}" for i in range(12)]
    edges = [(rng.choice(names), rng.choice(names)) for _ in range(rng.randrange(4, 24))]
    graph = ServiceGraph(edges, nodes=names)
    whole = nx.DiGraph((a, b) for a, b in edges if a != b)
    whole.add_nodes_from(names)
    views = {"down": whole, "up": whole.reverse(), "both": whole.to_undirected()}
    for one in names:
        for way, view in views.items():
            for most in (None, 0, 1, 2):
                wanted = nx.single_source_shortest_path_length(view, one, cutoff=most)
                found = graph.reached(one, way, most)  # type: ignore[arg-type]
                assert found == dict(wanted)
                assert list(found.values()) == sorted(found.values())
        for other in names:
            paths = sorted(nx.all_shortest_paths(whole, one, other)) if nx.has_path(whole, one, other) else [[]]
            assert graph.path(one, other) == tuple(paths[0])
            lengths = nx.single_source_shortest_path_length(views["both"], one)
            assert graph.distance(one, other) == dict(lengths).get(other)
    assert sorted((a, b) for a, b, _ in graph.calls()) == [(a, b) for a, b, _ in graph.edges()] == sorted(whole.edges)
