//! The IP library of Kubernetes (`pkg/cel/library/ip.go`): addresses without zone, never IPv4 inside IPv6.
//! `core::net` is the types of addresses alone; sockets are in `std`.

use core::net::IpAddr;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Foreign, Opaque, Value},
    },
    Cost, Declarations, address, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

/// The type of addresses.
pub(super) const IP: Type = Type::Opaque("net.IP");

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ip(pub(super) IpAddr);

impl Foreign for Ip {
    fn type_name(&self) -> &'static str {
        "net.IP"
    }

    fn literal(&self) -> String {
        format!("ip(\"{}\")", self.0)
    }

    fn equals(&self, other: &Opaque) -> bool {
        other.get() == Some(self)
    }

    fn size(&self) -> u64 {
        match self.0 {
            IpAddr::V4(_) => 4,
            IpAddr::V6(_) => 16,
        }
    }
}

impl Ip {
    /// Reads an address as Go's `netip.ParseAddr` does, without what Kubernetes refuses.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let address = address::parse(text.as_bytes()).ok().filter(|_| !text.contains('%'));
        match address.ok_or("not an IP address: write it without zone and leading zeros")? {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
                Err("an IPv4 address inside IPv6 is not allowed: write it as IPv4")
            }
            address => Ok(Self(address)),
        }
    }

    fn family(self) -> i64 {
        match self.0 {
            IpAddr::V4(_) => 4,
            IpAddr::V6(_) => 6,
        }
    }

    fn is_link_local_multicast(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => matches!(v4.octets(), [224, 0, 0, _]),
            // The flags of the address may be any.
            IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
        }
    }

    fn is_link_local_unicast(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        }
    }

    /// As Go has it: private addresses are global, and so is 0.0.0.1.
    fn is_global_unicast(self) -> bool {
        let broadcast = matches!(self.0, IpAddr::V4(v4) if v4.is_broadcast());
        let special = self.0.is_unspecified() || self.0.is_loopback() || self.0.is_multicast();
        !(broadcast || special || self.is_link_local_unicast())
    }
}

pub(super) fn declare(into: &mut Declarations) {
    use Type::{Bool, Int, String};
    into.function("ip")
        .about("The IP address that a text says, or the address of a CIDR.")
        .example("ip('2001:DB8::0001')", "ip('2001:db8::1')")
        .example("isIP('127.0.0.01') || isIP('fe80::1%eth0') || isIP('::ffff:1.2.3.4')", "false")
        .global([String], IP, Cost::Scan(0), ip);
    into.function("isIP")
        .about("Whether a text is an IPv4 or IPv6 address, without zone, leading zeros or IPv4 inside IPv6.")
        .example("isIP('192.168.0.1')", "true")
        .example("isIP('127.0.0.256')", "false")
        .global([String], Bool, Cost::Scan(0), is_ip);
    into.function("ip.isCanonical")
        .about("Whether an address is written in its one canonical form, so that it may be compared as a text.")
        .example("ip.isCanonical('2001:db8::abcd')", "true")
        .example("ip.isCanonical('2001:DB8::0:0:0:abcd')", "false")
        .global([String], Bool, Cost::Copy(0), is_canonical);
    into.function("string").global([IP], String, Cost::Unit, to_string);
    into.function("family")
        .about("4 or 6.")
        .example("ip('127.0.0.1').family()", "4")
        .example("ip('::1').family()", "6")
        .method([IP], Int, Cost::Unit, family);
    kinds(into);
}

/// What an address is for.
fn kinds(into: &mut Declarations) {
    let mut kind = |name, apply: super::Apply, about, yes, no| {
        let function = into.function(name).about(about).example(yes, "true").example(no, "false");
        function.method([IP], Type::Bool, Cost::Unit, apply);
    };
    kind(
        "isUnspecified",
        is_unspecified,
        "Whether it is `0.0.0.0` or `::`.",
        "ip('::').isUnspecified()",
        "ip('127.0.0.1').isUnspecified()",
    );
    kind(
        "isLoopback",
        is_loopback,
        "Whether it is of `127.0.0.0/8`, or `::1`.",
        "ip('127.0.0.53').isLoopback()",
        "ip('2001:db8::abcd').isLoopback()",
    );
    kind(
        "isLinkLocalMulticast",
        is_link_local_multicast,
        "Whether it is of `224.0.0.0/24`, or an IPv6 multicast address of link-local scope.",
        "ip('ff02::1').isLinkLocalMulticast()",
        "ip('224.0.1.1').isLinkLocalMulticast()",
    );
    kind(
        "isLinkLocalUnicast",
        is_link_local_unicast,
        "Whether it is of `169.254.0.0/16` or `fe80::/10`.",
        "ip('169.254.169.254').isLinkLocalUnicast()",
        "ip('fd80::1').isLinkLocalUnicast()",
    );
    kind(
        "isGlobalUnicast",
        is_global_unicast,
        "Whether it is none of unspecified, loopback, multicast, link-local and broadcast; private ones are global.",
        "ip('192.168.0.1').isGlobalUnicast()",
        "ip('255.255.255.255').isGlobalUnicast()",
    );
}

/// The text of the only argument, read as an address.
fn parsed(fuel: &mut Fuel, name: &'static str, text: &str) -> Result<Ip, EvaluationErrorKind> {
    fuel.scan(text.len())?;
    Ip::parse(text).map_err(|reason| EvaluationErrorKind::InvalidArgument { function: name, reason })
}

fn ip<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("ip", arguments)) };
    parsed(fuel, "ip", text).map(Value::opaque)
}

fn is_ip<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("isIP", arguments)) };
    fuel.scan(text.len())?;
    Ok(Value::Bool(Ip::parse(text).is_ok()))
}

fn is_canonical<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("ip.isCanonical", arguments)) };
    let address = parsed(fuel, "ip.isCanonical", text)?;
    Ok(Value::Bool(address.0.to_string() == **text))
}

fn receiver(name: &'static str, arguments: &[Value<'_>]) -> Result<Ip, EvaluationErrorKind> {
    match arguments {
        [only] => only.as_opaque::<Ip>().copied(),
        _ => None,
    }
    .ok_or_else(|| no_such_overload(name, arguments))
}

fn to_string<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::from(receiver("string", arguments)?.0.to_string()))
}

fn family<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(receiver("family", arguments)?.family()))
}

fn is_unspecified<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver("isUnspecified", arguments)?.0.is_unspecified()))
}

fn is_loopback<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver("isLoopback", arguments)?.0.is_loopback()))
}

fn is_link_local_multicast<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver("isLinkLocalMulticast", arguments)?.is_link_local_multicast()))
}

fn is_link_local_unicast<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver("isLinkLocalUnicast", arguments)?.is_link_local_unicast()))
}

fn is_global_unicast<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver("isGlobalUnicast", arguments)?.is_global_unicast()))
}
