use crate::protocol::{CommitSha, Direction, VariantId};

/// A measured variant to breed from.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub variant: VariantId,
    /// Where children start: the squash commit once there is one.
    pub commit: CommitSha,
    pub score: f64,
    pub genome: String,
}

/// How many candidates are kept to breed from.
const SIZE: usize = 12;

/// The best candidates, best first, no two of the same score.
#[derive(Debug)]
pub(super) struct Elite {
    direction: Direction,
    kept: Vec<Candidate>,
}

impl Elite {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            kept: Vec::new(),
        }
    }

    pub(super) fn best_first(&self) -> &[Candidate] {
        &self.kept
    }

    /// Whether a candidate of that score would be kept, so that its genome is worth reading.
    pub(super) fn wants(&self, score: f64) -> bool {
        let is_new = self.kept.iter().all(|kept| kept.score != score);
        let beats_last = |last: &Candidate| self.direction.better(score, last.score);
        is_new && (self.kept.len() < SIZE || self.kept.last().is_some_and(beats_last))
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        if self.wants(candidate.score) {
            let is_better = |kept: &Candidate| self.direction.better(kept.score, candidate.score);
            let at = self.kept.partition_point(is_better);
            self.kept.insert(at, candidate);
            self.kept.truncate(SIZE);
        }
    }

    pub(super) fn integrated(&mut self, variant: &VariantId, commit: &CommitSha) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.variant == *variant) {
            kept.commit = commit.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, score: f64) -> Candidate {
        Candidate {
            variant: name.parse().expect("an id"),
            commit: "0".repeat(40).parse().expect("a commit"),
            score,
            genome: String::new(),
        }
    }

    #[test]
    fn the_elite_is_bounded_ordered_and_without_twins() {
        let mut elite = Elite::new(Direction::Minimize);
        for n in (0..40).rev() {
            elite.offer(candidate(&n.to_string(), f64::from(n % 20)));
        }
        let scores: Vec<f64> = elite.best_first().iter().map(|kept| kept.score).collect();
        assert_eq!(scores, (0..12).map(f64::from).collect::<Vec<_>>());
        assert!(!elite.wants(11.0) && !elite.wants(11.5) && elite.wants(10.5));
    }
}
