//! Bugs that the simulation must find: each is a way in which a store, a history, a driver or a parameter could break
//! its promise.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// A create overwrites what is there.
    CreateOverwrites,
    /// A replace does not look at its token.
    SwapIgnored,
    /// A write is answered before it is on disk, and a crash of the store loses it.
    NoFsync,
    /// The store is restored from a backup, and nobody notices.
    StoreRolledBack,
    /// The store was lost, and is taken for an empty one.
    StoreEmptied,
    /// A token stands for one fingerprint, not for one state of it.
    TokenReused,
    /// A write whose reply was lost is taken for done.
    UnknownIsDone,
    /// The deadline is counted without the time that the API server may still take.
    DeadlineTooShort,
    /// What a store's clock says is believed, whatever it said before.
    JumpsBelieved,
    /// Forgetting believes the clock.
    PurgeBelievesClock,
    /// Forgetting does not wait for the end of the window.
    PurgeTooEarly,
    /// Forgetting takes reserved claims as well.
    PurgeTakesReserved,
    /// An answer is given after the deadline, and taken.
    LateAnswer,
    /// A history that is gone is shown as an empty one.
    GapIsSilence,
    /// The history is watched from now on, not from Rc.
    WatchedFromNow,
    /// Rc comes from a stale list.
    StaleRevision,
    /// The stored state comes from a cache.
    StaleCurrent,
    /// Silence in the background is believed without proof.
    SilenceBelieved,
    /// Events are shown without the attestation on the object.
    AttestationNotRead,
    /// The attestation of any change over the object counts for the claim.
    AnyAttestationCounts,
    /// Somebody else's object of the name decides over a CREATE that is still on its way.
    ForeignDecidesCreate,
    /// The old resourceVersion is not part of the target.
    TargetWithoutVersion,
    /// The uid is not part of the target of a deletion.
    TargetWithoutUid,
    /// All calls have the same request uid.
    RequestUidRepeats,
    /// A refused request releases every claim that it saw.
    ReleasesOthers,
    /// An authority is claimed by the first of several only.
    OnlyFirstIsClaimed,
    /// A dry run claims.
    DryRunWrites,
    /// A claim that is due is burnt, not looked up.
    BurnsUnseen,
}

impl Plant {
    pub(super) const ALL: &[Self] = &[
        Self::CreateOverwrites,
        Self::SwapIgnored,
        Self::NoFsync,
        Self::StoreRolledBack,
        Self::StoreEmptied,
        Self::TokenReused,
        Self::UnknownIsDone,
        Self::DeadlineTooShort,
        Self::JumpsBelieved,
        Self::PurgeBelievesClock,
        Self::PurgeTooEarly,
        Self::PurgeTakesReserved,
        Self::LateAnswer,
        Self::GapIsSilence,
        Self::WatchedFromNow,
        Self::StaleRevision,
        Self::StaleCurrent,
        Self::SilenceBelieved,
        Self::AttestationNotRead,
        Self::AnyAttestationCounts,
        Self::ForeignDecidesCreate,
        Self::TargetWithoutVersion,
        Self::TargetWithoutUid,
        Self::RequestUidRepeats,
        Self::ReleasesOthers,
        Self::OnlyFirstIsClaimed,
        Self::DryRunWrites,
        Self::BurnsUnseen,
    ];
}
