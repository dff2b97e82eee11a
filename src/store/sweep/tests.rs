//! Only names that this program makes are looked at.

use super::*;
use crate::base::Timestamp;
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
