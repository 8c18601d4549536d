//! Python workers behind deployments: the user's `init()` and `run()` in processes of their own, never in this one.
//!
//! A [`Pool`] holds the workers of one deployment; [`Pools`] makes, finds and forgets them. A call takes a free connection of a
//! worker, or waits in a short bounded queue for one; nothing here is locked across an await. A pool lives as long as somebody
//! holds it: a call in hand keeps the workers that answer it, whatever was deployed meanwhile.

mod answer;
mod config;
mod desk;
mod logs;
mod order;
mod pool;
mod pools;
mod process;
mod scale;
mod score;
mod tend;
mod wire;
mod worker;

pub use config::WorkersConfig;
pub use logs::{LogAsk, LogLine};
pub use pool::{Pool, PoolStatus, ProvisioningState};
pub use pools::Pools;
pub use score::{Asked, document, score};
pub use wire::{Described, DescribedTensor};
