use super::super::test_store::TestStore;
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn at(n: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, n / 100 + 1, n / 10 % 10 + 1, n % 10 + 1]).unwrap()
}

fn store_of(graph: &BTreeMap<u32, Vec<u32>>) -> TestStore {
    TestStore::of(graph.iter().map(|(&node, edges)| {
        let edges: Vec<_> = edges.iter().map(|&edge| at(edge)).collect();
        (at(node), node_text("a node", &edges))
    }))
}

/// Depths by repeated passes over all edges.
fn depths(graph: &BTreeMap<u32, Vec<u32>>, root: u32) -> BTreeMap<u32, u32> {
    let mut depths = BTreeMap::from([(root, 0)]);
    for depth in 0.. {
        let frontier: Vec<_> = depths
            .iter()
            .filter(|&(_, &at)| at == depth)
            .map(|(&node, _)| node)
            .collect();
        if frontier.is_empty() {
            break;
        }
        for node in frontier {
            for &edge in graph.get(&node).into_iter().flatten() {
                depths.entry(edge).or_insert(depth + 1);
            }
        }
    }
    depths
}

#[test]
fn dependencies_come_before_what_needs_them() {
    let graph = BTreeMap::from([
        (1, vec![2, 3]),
        (2, vec![4]),
        (3, vec![4, 5]),
        (4, vec![]),
        (9, vec![1]),
    ]);
    let store = store_of(&graph);
    let graph = Graph::explore(&store.phext, at(1), 100).unwrap();
    assert_eq!(graph.missing().collect::<Vec<_>>(), [at(5)]);
    let order = graph.dependency_order().unwrap();
    assert_eq!(order, [4, 2, 5, 3, 1].map(at));
}

#[test]
fn a_cycle_is_explored_and_named() {
    let store = store_of(&BTreeMap::from([(1, vec![2]), (2, vec![3]), (3, vec![2])]));
    let graph = Graph::explore(&store.phext, at(1), 100).unwrap();
    assert_eq!(graph.nodes().len(), 3);
    let cycle = graph.dependency_order().unwrap_err();
    assert_eq!(cycle, Cycle(vec![at(2), at(3)]));
    assert_eq!(
        cycle.to_string(),
        "nodes depend on each other: 1.1.1/1.1.1/1.1.3 -> 1.1.1/1.1.1/1.1.4 -> 1.1.1/1.1.1/1.1.3"
    );
}

#[test]
fn a_line_that_is_no_edge_is_an_error_that_says_where() {
    let text = "title\n\n1.1.1/1.1.1/1.1.2 a remark\nsee also\n";
    let store = TestStore::of([(at(0), text)]);
    let error = Graph::explore(&store.phext, at(0), 100).unwrap_err();
    let GraphError::Edge(error) = error else {
        panic!("{error}");
    };
    assert_eq!((error.node, error.line), (at(0), 4));
}

#[test]
fn a_graph_is_no_larger_than_wanted() {
    let chain: BTreeMap<_, _> = (0..50).map(|n| (n, vec![n + 1])).collect();
    let store = store_of(&chain);
    let explore = |limit| Graph::explore(&store.phext, at(0), limit);
    assert_eq!(explore(51).unwrap().nodes().len(), 51);
    assert!(matches!(
        explore(50),
        Err(GraphError::TooLarge { limit: 50, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exploring_finds_what_passes_over_all_edges_find(
        edges in proptest::collection::vec((0..60_u32, 0..70_u32), 0..120)
    ) {
        let mut model = BTreeMap::from([(0, Vec::new())]);
        for (from, to) in edges {
            model.entry(from).or_insert_with(Vec::new).push(to);
        }
        let store = store_of(&model);
        let graph = Graph::explore(&store.phext, at(0), 1_000).unwrap();
        let mut expected: Vec<_> = depths(&model, 0)
            .into_iter()
            .map(|(node, depth)| Node {
                coordinate: at(node),
                depth,
                is_present: model.contains_key(&node),
            })
            .collect();
        expected.sort_by_key(|node| (node.depth, node.coordinate));
        prop_assert_eq!(graph.nodes(), &expected[..]);
        check_order(&graph)?;
    }
}

/// An order has everything once and each after its targets; a cycle is one.
fn check_order(graph: &Graph) -> Result<(), TestCaseError> {
    let edges: BTreeSet<_> = (0..graph.nodes().len())
        .flat_map(|node| graph.edges_of(node).iter().map(move |&edge| (node, edge)))
        .map(|(from, to)| (graph.nodes()[from].coordinate, graph.nodes()[to].coordinate))
        .collect();
    match graph.dependency_order() {
        Ok(order) => {
            let place: BTreeMap<_, _> = order.iter().zip(0..).collect();
            prop_assert_eq!(place.len(), graph.nodes().len());
            prop_assert_eq!(order.len(), graph.nodes().len());
            for (from, to) in edges {
                prop_assert!(place[&to] < place[&from]);
            }
        }
        Err(Cycle(nodes)) => {
            let next = nodes.iter().cycle().skip(1);
            for edge in nodes.iter().zip(next) {
                prop_assert!(edges.contains(&(*edge.0, *edge.1)));
            }
        }
    }
    Ok(())
}
