//! A simulated wide-area network on one Linux machine, for tests and for the demo.
//!
//! Real kernels make real TCP handshakes between the addresses of regions; a router in user space delays, loses or drops
//! their packets as the link between the two regions asks. So the true round-trip time of every handshake is known.
//!
//! There are two network namespaces: the *vantage side*, where every region has an address to probe from, and the *target
//! side*, where every region has an address that accepts connections on port 443. Each has one TUN device, and the router
//! carries packets between the two. Everything works over IPv4 and IPv6. The rest of the process stays in the machine's own
//! network: only threads that call [`Entrance::enter`] are moved.
//!
//! What is exact: a SYN-ACK arrives the asked RTT after its SYN left (by the kernel's timestamp), however long the target's
//! kernel and the router took meanwhile. Payload and packets other than TCP take half the RTT and half the jitter each way.
//! Pure ACKs, FINs and RSTs take half the RTT, and up to 1 ms more. The link is that of the *vantage point's region to the
//! target's*, for both directions. As root the router has real-time priority; as an ordinary user it competes with what else
//! the machine does, and a busy one makes single handshakes late ([`Planet::accuracy`] tells).
//!
//! ```no_run
//! use cloudping_planet::{Options, Place, Planet, World, acquire_rights};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! acquire_rights()?; // first thing in main
//! let place = |id: &str, latitude, longitude| Place { id: id.into(), latitude, longitude };
//! let world = World::from_places(&[place("eu-west-1", 53.35, -6.26), place("us-east-1", 39.04, -77.49)]);
//! let planet = Planet::start(world, Options::default())?;
//! let entrance = planet.entrance();
//! let target = planet.target_address("us-east-1").expect("a region of this world");
//! std::thread::spawn(move || {
//!     entrance.enter()?;
//!     // Bind to planet.vantage_address("eu-west-1"), then:
//!     std::net::TcpStream::connect(target)
//! });
//! # Ok(())
//! # }
//! ```

mod accuracy;
mod address;
pub mod capture;
mod delay_queue;
mod departures;
mod error;
mod filter;
mod flow_table;
pub mod geography;
mod holder;
mod lead;
mod namespace;
mod netlink;
mod packet;
mod planet;
mod rights;
mod router;
pub mod scenario;
mod shared;
mod switchboard;
mod sys;
mod watch;
mod world;

pub use accuracy::{Accuracy, AskedRtt};
pub use address::Flow;
pub use capture::{Capture, Handshake};
pub use error::PlanetError;
pub use planet::{Entrance, Options, Planet};
pub use rights::acquire_rights;
pub use scenario::{Scenario, ScenarioError};
pub use world::{Link, Place, World};
