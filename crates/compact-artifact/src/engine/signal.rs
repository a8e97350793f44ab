//! How the thread for maintenance is woken and stopped.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Wakes and stops a thread.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    work: bool,
    stop: bool,
}

impl Signal {
    pub(super) fn wake(&self) {
        self.orders.lock().work = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.orders.lock().stop = true;
        self.changed.notify_all();
    }

    /// Waits for work, at the longest for `interval` if there is one. Returns whether there is any; `None`: it is time to stop.
    pub(super) fn wait(&self, interval: Option<Duration>) -> Option<bool> {
        let mut orders = self.orders.lock();
        while !orders.work && !orders.stop {
            let Some(interval) = interval else {
                self.changed.wait(&mut orders);
                continue;
            };
            if self.changed.wait_for(&mut orders, interval).timed_out() {
                break;
            }
        }
        (!orders.stop).then(|| std::mem::take(&mut orders.work))
    }
}
