use super::super::test_store::TestStore;
use super::*;
use phext_siw::LaneSpec;
use phext_storage::Phext;
use proptest::prelude::*;

fn at(chapter: u32, n: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, chapter, n / 50 + 1, n % 50 + 1]).unwrap()
}

/// What a loop over all texts finds.
fn naive(texts: &[(Coordinate, Vec<u8>)], query: &[u8], count: usize) -> Vec<Found> {
    let query = numbers(query).unwrap();
    let score = |(coordinate, text): &(Coordinate, Vec<u8>)| {
        let numbers = numbers(text).filter(|numbers| numbers.len() == query.len())?;
        let products = numbers.iter().zip(&query);
        let score = products.map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
        Some(Found {
            coordinate: *coordinate,
            score,
        })
    };
    let mut found: Vec<_> = texts.iter().filter_map(score).collect();
    found.sort_by_key(|found| (std::cmp::Reverse(found.score), found.coordinate));
    found.truncate(count);
    found
}

fn vector(length: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0x20..=0x7E_u8, length)
}

/// Mostly vectors of 20 numbers, and texts that are to be passed over.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vector(20),
        1 => Just(vec![b'O'; 20]),
        1 => vector(19),
        1 => Just("é".repeat(10).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn search_finds_what_a_loop_finds(
        texts in proptest::collection::vec(text(), 1..200),
        queries in proptest::collection::vec(vector(20), 0..=70),
        count in 0..20_usize,
    ) {
        let texts: Vec<_> = (0..).zip(texts).map(|(n, text)| (at(1, n), text)).collect();
        let store = TestStore::of(texts.iter().cloned());
        let queries: Vec<_> = queries.into_iter().map(Bytes::from).collect();
        let found = search(&store.phext, &LaneSpec::All, &queries, count).unwrap();
        let expected: Vec<_> = queries.iter().map(|query| naive(&texts, query, count)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn pieces_are_joined() {
    let text = |n: u32| {
        (0..32)
            .map(|i| 0x20 + ((n * 37 + i * i * n) % 95) as u8)
            .collect()
    };
    let texts: Vec<(_, Vec<u8>)> = (0..5_000).map(|n| (at(1, n), text(n))).collect();
    let store = TestStore::of(texts.iter().cloned());
    let queries: Vec<_> = (0..6)
        .map(|n| Bytes::from(texts[n * 700].1.clone()))
        .collect();
    let lanes = LaneSpec::Range {
        from: at(1, 100),
        to: at(1, 4_900),
    };
    let found = search(&store.phext, &lanes, &queries, 7).unwrap();
    for (query, found) in queries.iter().zip(found) {
        assert_eq!(found, naive(&texts[100..=4_900], query, 7));
    }
}

/// Vectors of 384 numbers that are often equal, with foreign texts among them, for one query to 70:
/// queries by themselves, and panels of 16 by one, two and four.
#[test]
fn any_number_of_queries_finds_what_a_loop_finds() {
    let text = |n: u32| match n % 11 {
        3 => vec![b'O'; 383],
        7 => "foreign\n".repeat(48).into_bytes(),
        _ => (0..384)
            .map(|i| 0x20 + (n % 400 * 31 + i * i % 89 * (n % 400 + 1)) as u8 % 95)
            .collect(),
    };
    let texts: Vec<(_, Vec<u8>)> = (0..2_500).map(|n| (at(1, n), text(n))).collect();
    let store = TestStore::of(texts.iter().cloned());
    let query = |n: usize| Bytes::from(text(n as u32 * 11 + 4));
    let queries: Vec<_> = (0..70).map(query).collect();
    let expected = queries.iter().map(|query| naive(&texts, query, 9));
    let expected: Vec<_> = expected.collect();
    for count in 1..=queries.len() {
        let found = search(&store.phext, &LaneSpec::All, &queries[..count], 9).unwrap();
        assert!(found == expected[..count], "{count} queries");
    }
    let none = search(Phext::empty(), &LaneSpec::All, &queries, 9).unwrap();
    assert_eq!(none, vec![Vec::new(); 70]);
    // The rows of one stream are limited, those of a call are not.
    let most = phext_siw::MAX_ROWS as usize;
    let all = search(&store.phext, &LaneSpec::All, &queries[..6], most / 5).unwrap();
    for (query, found) in queries.iter().zip(all) {
        assert!(found == naive(&texts, query, most));
    }
    let refused = search(&store.phext, &LaneSpec::All, &queries, most + 1).unwrap_err();
    let message = "1048577 vectors are asked for, at most 1048576 are kept";
    assert_eq!(refused.to_string(), message);
}

/// Unit vectors around a few directions.
fn crowds(seed: u32, count: u32) -> Vec<Vec<f32>> {
    let noise = |n: u32| f32::from((n.wrapping_mul(2_654_435_761) >> 16) as u16) / 65_536.0 - 0.5;
    let component =
        |n: u32, i: u32| noise(n % 8 * 100 + i) + 0.3 * noise(seed + n * 64 + i + 9_999);
    let vector = |n| (0..24).map(|i| component(n, i)).collect::<Vec<f32>>();
    let unit = |vector: Vec<f32>| {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.into_iter().map(|x| x / length).collect()
    };
    (0..count).map(|n| unit(vector(n))).collect()
}

#[test]
fn clusters_hold_most_of_the_closest() {
    let vectors = crowds(0, 800);
    let centroids = centroids(&vectors, 16, 8, 7);
    let clusters = Clusters::in_book([1, 1, 1, 1, 1, 1]);
    let quantiser = Quantiser::new(0.8).unwrap();
    let quantise = |vector: &Vec<f32>| quantiser.quantise(vector).unwrap();
    let heads = (1..).zip(centroids.vectors());
    let heads = heads.map(|(n, head)| (clusters.centroid(n).unwrap(), quantise(head)));
    let members = (1..).zip(&vectors).map(|(n, vector)| {
        let cluster = u32::try_from(centroids.nearest(vector)).unwrap() + 1;
        (clusters.vector(cluster, 1, n).unwrap(), quantise(vector))
    });
    let store = TestStore::of(heads.chain(members));
    let queries: Vec<_> = crowds(5, 40).iter().map(quantise).collect();
    let all = LaneSpec::Range {
        from: clusters.vector(1, 1, 1).unwrap(),
        to: Coordinate::MAX,
    };
    let exact = search(&store.phext, &all, &queries, 10).unwrap();
    let every = clusters.search(&store.phext, &queries, 10, 16).unwrap();
    assert_eq!(every, exact);
    let some = clusters.search(&store.phext, &queries, 10, 4).unwrap();
    let kept: usize = exact
        .iter()
        .zip(&some)
        .map(|(exact, some)| exact.iter().filter(|found| some.contains(found)).count())
        .sum();
    assert!(kept >= 360, "{kept} of 400");
}

#[test]
fn clusters_do_not_depend_on_anything_but_their_arguments() {
    let vectors = crowds(3, 100);
    assert_eq!(centroids(&vectors, 5, 3, 1), centroids(&vectors, 5, 3, 1));
    assert_ne!(centroids(&vectors, 5, 3, 1), centroids(&vectors, 5, 3, 2));
}

#[test]
fn queries_are_vectors_of_one_length() {
    let store = TestStore::of([(at(1, 1), "OOO")]);
    let ask = |queries: &[&'static str]| {
        let queries: Vec<_> = queries.iter().map(|query| Bytes::from(*query)).collect();
        search(&store.phext, &LaneSpec::All, &queries, 1)
    };
    assert!(matches!(
        ask(&["OOO", "O\nO"]),
        Err(EmbeddingError::NoVector { query: 1 })
    ));
    assert!(matches!(
        ask(&["OOO", "OO"]),
        Err(EmbeddingError::Length { query: 1 })
    ));
}
