//! The collector's controller on a real API server. Rows R1-R18 of the behaviour matrix carry their number.

mod access;
mod children;
mod given;
mod requests;
mod telling;
mod upgrade;
mod workload;
