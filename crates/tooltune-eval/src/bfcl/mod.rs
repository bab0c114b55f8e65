//! Files of the Berkeley Function-Calling Leaderboard.

mod decode;

pub use decode::decode_calls;
