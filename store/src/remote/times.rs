//! Times on their way: whole milliseconds, as they are kept.

/// A time.
pub(crate) mod time {
    use headgate_types::UnixTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::item::{from_millis, millis};

    pub(crate) fn serialize<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        millis(*time).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        u64::deserialize(from).map(from_millis)
    }
}

/// A time that may be missing.
pub(crate) mod maybe_time {
    use headgate_types::UnixTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::item::{from_millis, millis};

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(millis).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<UnixTime>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(from_millis))
    }
}
