//! Workloads over streams.
//!
//! | group | what | bar |
//! |---|---|---|
//! | graph | a dependency tree of 1,000 nodes, explored and put in order | 1 ms |
//! | embeddings, exact | 64 queries over 100,000 vectors of 384 numbers | 32 ms (2,000 a second) |
//! | embeddings, clusters | 64 queries over the nearest of 256 clusters of them | 6.4 ms (10,000 a second) |
//!
//! The recall of clusters, which is how many of the 10 closest they find, is printed. Vectors are
//! synthetic: unit vectors around 1,000 random directions. Looking up many coordinates is in the
//! bench `siw`, beside the page table.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use phext_benches::dataset::Dataset;
use phext_query::workloads::embedding::{Centroids, Clusters, Quantiser, centroids, search};
use phext_query::workloads::graph::{Graph, node_text};
use phext_siw::LaneSpec;
use phext_storage::coordinate::Coordinate;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::hint::black_box;

const NODES: u32 = 1_000;
const VECTORS: u32 = 100_000;
const NUMBERS: usize = 384;
const DIRECTIONS: usize = 1_000;
const CLUSTERS: usize = 256;
const QUERIES: usize = 64;
const COUNT: usize = 10;
const BOOK: [u32; 6] = [1, 1, 1, 1, 1, 2];

fn node(n: u32) -> Coordinate {
    let components = [1, 1, 1, 1, 1, 1, n / 100 + 1, n / 10 % 10 + 1, n % 10 + 1];
    Coordinate::new(components).expect("components are from 1")
}

fn graph(criterion: &mut Criterion) {
    // A tree of four children a node, in which siblings also depend on the next one.
    let text = |n: u32| {
        let children = (4 * n + 1..=4 * n + 4).filter(|&child| child < NODES);
        let sibling = (!n.is_multiple_of(4) && n + 1 < NODES).then_some(n + 1);
        let edges: Vec<_> = children.chain(sibling).map(node).collect();
        Bytes::from(node_text("a node", &edges))
    };
    let data = Dataset::of((0..NODES).map(|n| (node(n), text(n))));
    let explore = || {
        Graph::explore(&data.phext, node(0), NODES as usize).expect("the nodes are well written")
    };
    assert_eq!(explore().nodes().len(), NODES as usize);
    let mut group = criterion.benchmark_group("graph");
    group.bench_function("breadth first", |bencher| bencher.iter(explore));
    group.bench_function("dependency order", |bencher| {
        bencher.iter(|| black_box(explore().dependency_order().expect("a tree has no cycle")));
    });
}

fn unit(vector: impl Iterator<Item = f32>) -> Vec<f32> {
    let vector: Vec<_> = vector.collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

/// Unit vectors around the directions.
fn around<'d>(
    directions: &'d [Vec<f32>],
    random: &'d mut StdRng,
) -> impl Iterator<Item = Vec<f32>> + 'd {
    std::iter::repeat_with(move || {
        let direction = &directions[random.random_range(0..directions.len())];
        let noise = 1.5 / (NUMBERS as f32).sqrt();
        unit(
            direction
                .iter()
                .map(|x| x + noise * random.random_range(-1.0..1.0_f32)),
        )
    })
}

struct Embeddings {
    data: Dataset,
    queries: Vec<Bytes>,
}

impl Embeddings {
    fn new() -> Embeddings {
        let mut random = StdRng::seed_from_u64(3);
        let direction = |_| unit((0..NUMBERS).map(|_| random.random_range(-1.0..1.0_f32)));
        let directions: Vec<_> = (0..DIRECTIONS).map(direction).collect();
        let mut vectors = around(&directions, &mut random);
        let sample: Vec<_> = vectors.by_ref().take(8_000).collect();
        let centroids = centroids(&sample, CLUSTERS, 5, 3);
        let quantiser = Quantiser::new(4.0 / (NUMBERS as f32).sqrt()).expect("it is above 0");
        let quantise = |vector: Vec<f32>| quantiser.quantise(&vector).expect("it is finite");
        let queries = vectors.by_ref().take(QUERIES).map(quantise).collect();
        let members = vectors.take(VECTORS as usize).zip(1..).map(|(vector, n)| {
            let cluster = centroids.nearest(&vector) as u32 + 1;
            let coordinate = Clusters::in_book(BOOK).vector(cluster, 1, n);
            (coordinate.expect("numbers are from 1"), quantise(vector))
        });
        let data = Dataset::of(heads(&centroids, quantiser).into_iter().chain(members));
        Embeddings { data, queries }
    }
}

fn heads(centroids: &Centroids, quantiser: Quantiser) -> Vec<(Coordinate, Bytes)> {
    let head = |(vector, n): (&Vec<f32>, u32)| {
        let coordinate = Clusters::in_book(BOOK).centroid(n);
        let text = quantiser.quantise(vector).expect("it is finite");
        (coordinate.expect("numbers are from 1"), text)
    };
    centroids.vectors().iter().zip(1..).map(head).collect()
}

fn embeddings(criterion: &mut Criterion) {
    let Embeddings { data, queries } = Embeddings::new();
    let clusters = Clusters::in_book(BOOK);
    let all = LaneSpec::Range {
        from: clusters.vector(1, 1, 1).expect("numbers are from 1"),
        to: Coordinate::MAX,
    };
    let exact = || search(&data.phext, &all, &queries, COUNT).expect("the store is whole");
    let closest = exact();
    let mut group = criterion.benchmark_group("embeddings");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(QUERIES as u64));
    group.bench_function("exact", |bencher| bencher.iter(exact));
    for probes in [1, 2, 4, 8, 16] {
        let near = || {
            let found = clusters.search(&data.phext, &queries, COUNT, probes);
            found.expect("the store is whole")
        };
        let found: usize = closest
            .iter()
            .zip(near())
            .map(|(closest, near)| closest.iter().filter(|found| near.contains(found)).count())
            .sum();
        let recall = found as f64 / (QUERIES * COUNT) as f64;
        println!("clusters, {probes} probed: recall {recall:.3}");
        group.bench_function(format!("clusters, {probes} probed"), |bencher| {
            bencher.iter(near);
        });
    }
}

criterion_group!(benches, graph, embeddings);
criterion_main!(benches);
