//! Spherical k-means: clusters of unit vectors by direction (Dhillon and Modha, "Concept
//! decompositions for large sparse text data using clustering", 2001). Runs in memory, before vectors
//! are stored.

/// Numbers that are added up apart, so that the additions are independent of each other.
const LANES: usize = 16;

/// Directions of clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Centroids(Vec<Vec<f32>>);

impl Centroids {
    /// The unit vectors, by the number of their cluster.
    pub fn vectors(&self) -> &[Vec<f32>] {
        &self.0
    }

    /// The number of the cluster a vector belongs to, whose centroid has the greatest dot product
    /// with it; of equal ones the first.
    ///
    /// # Panics
    /// Where there are no clusters.
    pub fn nearest(&self, vector: &[f32]) -> usize {
        let mut best = (0, dot(&self.0[0], vector));
        for (number, centroid) in self.0.iter().enumerate().skip(1) {
            let dot = dot(centroid, vector);
            if dot > best.1 {
                best = (number, dot);
            }
        }
        best.0
    }
}

/// Finds `count` clusters of vectors of one length, in `rounds` rounds from centroids that the seed
/// chooses among the vectors. The same arguments give the same clusters. Some thousand vectors, taken
/// at random, do for many more: the rest is then given to clusters by [`Centroids::nearest`].
///
/// # Panics
/// Where there are no vectors, or no clusters are asked for.
pub fn centroids(vectors: &[Vec<f32>], count: usize, rounds: usize, seed: u64) -> Centroids {
    assert!(
        !vectors.is_empty() && count > 0,
        "clusters are of some vectors"
    );
    let mut random = Random(seed);
    let chosen = (0..count).map(|_| unit(random.choose(vectors).clone()));
    let mut centroids = Centroids(chosen.collect());
    for _ in 0..rounds {
        let mut sums = vec![vec![0.0; vectors[0].len()]; count];
        for vector in vectors {
            add(&mut sums[centroids.nearest(vector)], vector);
        }
        // A cluster that has lost all its vectors starts again at one of them.
        let is_lost = |sum: &[f32]| sum.iter().all(|&x| x == 0.0);
        let next = sums.into_iter().map(|sum| match is_lost(&sum) {
            true => unit(random.choose(vectors).clone()),
            false => unit(sum),
        });
        centroids = Centroids(next.collect());
    }
    centroids
}

fn add(sum: &mut [f32], vector: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(vector) {
        *sum += x;
    }
}

/// The vector of length 1 in the same direction; the zero vector has none and stays.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        for x in &mut vector {
            *x /= length;
        }
    }
    vector
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left_runs, left_rest) = left.as_chunks::<LANES>();
    let (right_runs, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in left_runs.iter().zip(right_runs) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest = left_rest.iter().zip(right_rest).map(|(l, r)| l * r);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn choose<'v, T>(&mut self, from: &'v [T]) -> &'v T {
        &from[(self.next() % from.len() as u64) as usize]
    }
}
