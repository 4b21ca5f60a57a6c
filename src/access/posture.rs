/// How the console stands to the deployment (design section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// A: one experiment and no control plane.
    SingleExperiment,
    /// B: a control plane and its admin token: credentials are made as they are needed.
    Administered,
    /// C: a control plane and the credentials of an earlier start, nothing to make others with.
    StoredCredentials,
    /// D: a control plane, and neither.
    WithoutCredentials,
}

impl Posture {
    /// The letter of the parity document (`D-CRED-6`).
    pub fn letter(self) -> char {
        match self {
            Self::SingleExperiment => 'A',
            Self::Administered => 'B',
            Self::StoredCredentials => 'C',
            Self::WithoutCredentials => 'D',
        }
    }
}

/// Whether an experiment can be read, as far as that is known without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// In use: the task store took it.
    Verified,
    /// Kept on disk.
    Stored,
    /// None yet; the admin token makes one on the first look.
    ToBeRegistered,
    /// None, and nothing to make one with.
    Missing,
    /// No task store has an address for the experiment.
    NoAddress,
}
