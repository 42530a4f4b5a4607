//! The opcodes, which are positions in the tables of the pipes.

pub(crate) const NOP: u8 = 0;

pub(crate) const DMOV: u8 = 1;
pub(crate) const DADD: u8 = 2;
pub(crate) const DCMP: u8 = 3;
pub(crate) const DRED: u8 = 4;
pub(crate) const DLEN: u8 = 5;
pub(crate) const DHASH: u8 = 6;
pub(crate) const DSUB: u8 = 7;
pub(crate) const DMUL: u8 = 8;
pub(crate) const DFMA: u8 = 9;
pub(crate) const DAND: u8 = 10;
pub(crate) const DOR: u8 = 11;
pub(crate) const DXOR: u8 = 12;
pub(crate) const DKAND: u8 = 13;
pub(crate) const DKOR: u8 = 14;
pub(crate) const DKNOT: u8 = 15;
pub(crate) const DSEL: u8 = 16;
pub(crate) const DMATCH: u8 = 17;
pub(crate) const DDOT: u8 = 18;
pub(crate) const DHDBIND: u8 = 19;
pub(crate) const DHDBUND: u8 = 20;
pub(crate) const DHDSIM: u8 = 21;

pub(crate) const SLANES: u8 = 1;
pub(crate) const SINDEX: u8 = 2;
pub(crate) const SGATHER: u8 = 3;
pub(crate) const SSCATTR: u8 = 4;
pub(crate) const SPREFCH: u8 = 5;
pub(crate) const SFLUSH: u8 = 6;
pub(crate) const SASSOC: u8 = 7;
pub(crate) const SNEIGHBR: u8 = 8;
pub(crate) const STEST: u8 = 9;
pub(crate) const SDIST: u8 = 10;

pub(crate) const CPACK: u8 = 1;
pub(crate) const CSEND: u8 = 2;
pub(crate) const CREDUCE: u8 = 3;
pub(crate) const CRECV: u8 = 4;
pub(crate) const CBAR: u8 = 5;
pub(crate) const CCAST: u8 = 6;
pub(crate) const CMERGE: u8 = 7;
pub(crate) const CTOP: u8 = 8;
pub(crate) const CTALLY: u8 = 9;
pub(crate) const CFENCE: u8 = 10;
pub(crate) const CDOT: u8 = 11;
