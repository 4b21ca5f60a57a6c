/// What the console may do in the deployment, by the tokens and credentials it has. Pages mark it with a letter, A to
/// D.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// A: one experiment and no control plane.
    SingleExperiment,
    /// B: a control plane and its admin token. Credentials are made when needed.
    Administered,
    /// C: a control plane and the credentials of an earlier start. No others can be made.
    StoredCredentials,
    /// D: a control plane, and neither token nor credentials.
    WithoutCredentials,
}

impl Posture {
    /// Its letter in pages.
    pub fn letter(self) -> char {
        match self {
            Self::SingleExperiment => 'A',
            Self::Administered => 'B',
            Self::StoredCredentials => 'C',
            Self::WithoutCredentials => 'D',
        }
    }
}

/// Whether an experiment can be read, as far as that is known without calling its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// In use: the task store has accepted it.
    Verified,
    /// On disk.
    Stored,
    /// None yet. The console registers a worker with the admin token on the first use.
    ToBeRegistered,
    /// None, and no admin token to make one with.
    Missing,
    /// No task store has an address for the experiment.
    NoAddress,
}
