//! Git's pkt-lines, and the messages of `upload-pack` in them (gitprotocol-common, gitprotocol-pack).

use bytes::{Buf, Bytes, BytesMut};
use git2::{Oid, Reference};

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Flush,
    Line(Bytes),
}

/// Parses packets from a stream of bytes.
#[derive(Default)]
pub(super) struct Packets(BytesMut);

impl Packets {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole packet; `None` until more bytes are pushed.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, String> {
        let Some(digits) = self.0.get(..4) else {
            return Ok(None);
        };
        let length = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or("it does not speak git's packet lines")?;
        match length {
            0 => {
                self.0.advance(4);
                Ok(Some(Packet::Flush))
            }
            1..4 => Err("it speaks a newer protocol than was asked for".to_owned()),
            _ if self.0.len() < length => Ok(None),
            _ => {
                let mut line = self.0.split_to(length).freeze();
                line.advance(4);
                Ok(Some(Packet::Line(line)))
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a packet with `line`, which must be shorter than the maximum of a packet (65,516 bytes).
pub(super) fn write_line(line: &str, into: &mut Vec<u8>) {
    into.extend_from_slice(format!("{:04x}{line}", line.len() + 4).as_bytes());
}

pub(super) const FLUSH: &[u8] = b"0000";

/// The branches that a remote advertises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Advertisement {
    /// The branch that `HEAD` names.
    pub head: Option<String>,
    /// Its branches, by full name.
    pub heads: Vec<(String, Oid)>,
}

const HEADS: &str = "refs/heads/";

impl Advertisement {
    /// Adds a ref, if it is a branch with a valid name.
    pub(super) fn add(&mut self, name: &str, id: Oid) {
        if name.starts_with(HEADS) && Reference::is_valid_name(name) {
            self.heads.push((name.to_owned(), id));
        }
    }

    /// Sets the branch that `HEAD` names.
    pub(super) fn set_head(&mut self, branch: &str) {
        if branch.starts_with(HEADS) && Reference::is_valid_name(branch) {
            self.head = Some(branch.to_owned());
        }
    }

    /// Reads the answer to `info/refs?service=git-upload-pack`.
    pub(super) fn read(answer: &[u8]) -> Result<Self, String> {
        let mut packets = Packets::default();
        packets.push(answer);
        let mut lines = Vec::new();
        while let Some(packet) = packets.next()? {
            if let Packet::Line(line) = packet {
                lines.push(line);
            }
        }
        if !packets.is_empty() {
            return Err("its list of branches breaks off".to_owned());
        }
        let mut advertised = Self::default();
        let mut can_sideband = false;
        for (at, line) in lines.iter().filter(|line| !line.starts_with(b"# ")).enumerate() {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end_matches('\n');
            if let Some(words) = line.strip_prefix("ERR ") {
                return Err(words.to_owned());
            }
            let (named, capabilities) = line.split_once('\0').unwrap_or((line, ""));
            if at == 0 {
                for capability in capabilities.split(' ') {
                    can_sideband |= capability == "side-band-64k";
                    if let Some(branch) = capability.strip_prefix("symref=HEAD:") {
                        advertised.set_head(branch);
                    }
                }
            }
            let Some((id, name)) = named.split_once(' ') else {
                return Err("its list of branches cannot be read".to_owned());
            };
            if id.len() != 40 {
                return Err("it names objects by something else than SHA-1".to_owned());
            }
            let id = Oid::from_str(id).map_err(|_| "its list of branches cannot be read")?;
            advertised.add(name, id);
        }
        match can_sideband || advertised.heads.is_empty() {
            true => Ok(advertised),
            false => Err("it is too old to send side-band-64k".to_owned()),
        }
    }
}

/// Writes the request for a pack with all of `wants` and their history that is not that of `haves`.
pub(super) fn request(wants: &[Oid], haves: &[Oid]) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, want) in wants.iter().enumerate() {
        let capabilities = match at {
            0 => " side-band-64k ofs-delta no-progress agent=switchboard",
            _ => "",
        };
        write_line(&format!("want {want}{capabilities}\n"), &mut body);
    }
    body.extend_from_slice(FLUSH);
    for have in haves {
        write_line(&format!("have {have}\n"), &mut body);
    }
    write_line("done\n", &mut body);
    body
}

/// A packet of the answer to [`request`].
pub(super) enum SideBand {
    /// Bytes of the pack.
    Pack(Bytes),
    /// Acknowledgements and progress.
    Progress,
}

/// Reads the side band of a packet of the answer to [`request`].
pub(super) fn side_band(mut line: Bytes) -> Result<SideBand, String> {
    match line.first() {
        Some(1) => {
            line.advance(1);
            Ok(SideBand::Pack(line))
        }
        Some(2) => Ok(SideBand::Progress),
        Some(3) => Err(String::from_utf8_lossy(&line[1..]).into_owned()),
        _ if line.starts_with(b"ACK ") || line.starts_with(b"NAK") => Ok(SideBand::Progress),
        _ => match line.strip_prefix(b"ERR ") {
            Some(words) => Err(String::from_utf8_lossy(words).into_owned()),
            None => Err("its answer is no pack".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "95d09f2b10159347eece71399a7e2e907ea3df4f";

    fn answer(lines: &[&str]) -> Vec<u8> {
        let mut answer = Vec::new();
        write_line("# service=git-upload-pack\n", &mut answer);
        answer.extend_from_slice(FLUSH);
        for line in lines {
            write_line(line, &mut answer);
        }
        answer.extend_from_slice(FLUSH);
        answer
    }

    #[test]
    fn branches_are_read_and_nothing_else_is() {
        let read = |lines: &[&str]| Advertisement::read(&answer(lines));
        let first = format!("{ID} HEAD\0side-band-64k symref=HEAD:refs/heads/main agent=x\n");
        let main = format!("{ID} refs/heads/main\n");
        let others = [
            format!("{ID} refs/heads/../../config\n"),
            format!("{ID} refs/tags/v1\n"),
        ];
        let advertised = read(&[&first, &main, &others[0], &others[1]]).expect("read");
        assert_eq!(advertised.head.as_deref(), Some("refs/heads/main"));
        let id = Oid::from_str(ID).expect("an id");
        assert_eq!(advertised.heads, [("refs/heads/main".to_owned(), id)]);

        let empty = format!("{} capabilities^{{}}\0side-band-64k\n", "0".repeat(40));
        assert_eq!(read(&[&empty]).expect("read"), Advertisement::default());
        assert_eq!(read(&["ERR not today\n"]).expect_err("refused"), "not today");
        assert!(Advertisement::read(b"<!doctype html>").is_err());
        let whole = answer(&[&first, &main]);
        assert!(Advertisement::read(&whole[..whole.len() - 10]).is_err(), "cut");
    }

    #[test]
    fn packets_are_taken_whole_however_they_arrive() {
        let mut body = Vec::new();
        write_line("NAK\n", &mut body);
        write_line("\u{1}PACK", &mut body);
        body.extend_from_slice(FLUSH);
        let mut packets = Packets::default();
        let mut found = Vec::new();
        for byte in body {
            packets.push(&[byte]);
            found.extend(packets.next().expect("well-formed"));
        }
        let [Packet::Line(nak), Packet::Line(pack), Packet::Flush] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(matches!(side_band(nak.clone()), Ok(SideBand::Progress)));
        assert!(matches!(side_band(pack.clone()), Ok(SideBand::Pack(bytes)) if bytes == "PACK"));
        assert!(side_band(Bytes::from_static(b"\x03no room")).is_err_and(|words| words == "no room"));
    }
}
