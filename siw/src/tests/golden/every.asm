; Every operation but SASSOC and SNEIGHBR, of which a stream has one only, and every kind of constant.
; Its bytes are every.siw.
.tier 2
.constant zero number 0
.constant least number 0xFFFFFFFFFFFFFFFF
.constant half number 0.5
.constant nothing number nan
.constant here coordinate 1.2.3/4.5.6/7.8.9
.constant all lanes all
.constant range lanes range 1.1.1/1.1.1/1.1.1 2147483647.1.1/1.1.1/1.1.9
.constant points lanes points 1.1.1/1.1.1/1.1.2 1.1.1/1.1.1/1.1.1
.constant union lanes union 1.1.1/1.1.1/1.1.1 2.1.1/1.1.1/1.1.1 3.1.1/1.1.1/1.1.1
.constant region lanes region 1.*.2-5/{1,3,9-12}.*.*/*.*.7
.constant near lanes nearest 5 to 1.1.1/1.1.1/1.1.1 by chebyshev
.constant nearer lanes nearest 5 to 1.1.1/1.1.1/1.1.1 by manhattan within 40
.constant weighted lanes nearest 5 to 1.1.1/1.1.1/1.1.1 by weighted [9, 8, 7, 6, 5, 4, 3, 2, 1] within 0
.constant bodies texts "" "a \"b\"\x1b\n"
.constant pattern text "milk"
.constant vector text "OPN@~"
.constant wanted queries 3 "OPN@~" "~ NPO"
.once
DMOV r0, zero | SNOP | CBAR
DMOV r1, least
DMOV r2, half
DMOV r3, nothing
.each
SLANES p0, points
SPREFCH.record p0
SPREFCH.text p0
SGATHER.whole t0, p0
SGATHER.bytes t1, p0, r0, r1
SGATHER.lines t2, p0, r0, r1
STEST k0, p0, all
STEST k1, p0, range
STEST k2, p0, region
SDIST r4, p0, near
SDIST r5, p0, nearer
SDIST r6, p0, weighted
SINDEX.library r7, p0
SINDEX.shelf r7, p0
SINDEX.series r7, p0
SINDEX.collection r7, p0
SINDEX.volume r7, p0
SINDEX.book r7, p0
SINDEX.chapter r7, p0
SINDEX.section r7, p0
SINDEX.scroll r7, p0
DLEN r8, p0 {k0}
DHASH r9, r10, p0 {k1}
DMATCH.contains k3, t0, pattern
DMATCH.starts k3, t0, pattern {k0}
DDOT r11, t0, vector {k2}
DHDBIND t3, t0, vector
DHDBIND t3, t0, t1
DHDBUND t3, t0, t1, t2
DHDBUND t3, t0, t1, vector
DHDSIM r12, t0, t3
DHDSIM r12, t0, vector {k0}
DADD.u64 r13, r8, r9
DADD.u64 r13, r8, half
DADD.f64 r13, r8, r9
DADD.f64 r13, r8, half
DSUB.u64 r13, r8, r9
DSUB.u64 r13, r8, half
DSUB.f64 r13, r8, r9
DSUB.f64 r13, r8, half
DMUL.u64 r13, r8, r9
DMUL.u64 r13, r8, half
DMUL.f64 r13, r8, r9
DMUL.f64 r13, r8, half
DFMA.u64 r14, r8, r9, r10
DFMA.u64 r14, r8, r9, half
DFMA.f64 r14, r8, r9, r10
DFMA.f64 r14, r8, r9, half
DAND r14, r8, r9
DAND r14, r8, least
DOR r14, r8, r9
DOR r14, r8, least
DXOR r14, r8, r9
DXOR r14, r8, least
DKAND k3, k0, k1
DKOR k3, k0, k1
DKNOT k3, k0
DSEL r15, k3, r8, r9
DSEL r15, k3, r8, zero
DCMP.eq k3, r8, r9
DCMP.ne k3, r8, r9
DCMP.lt k3, r8, r9
DCMP.le k3, r8, r9
DCMP.gt k3, r8, r9
DCMP.ge k3, r8, r9
DCMP.feq k3, r8, r9
DCMP.fne k3, r8, r9
DCMP.flt k3, r8, r9
DCMP.fle k3, r8, r9
DCMP.fgt k3, r8, r9
DCMP.fge k3, r8, r9
DCMP.eq k3, r8, zero
DRED.sum r0, r8
DRED.min r1, r8 {k3}
DRED.max r0, r8 {k3}
DRED.count r0 {k3}
DRED.fmin r2, r8
DRED.fmax r3, r8
SSCATTR.put p0, bodies {k0}
SSCATTR.append p0, bodies
SSCATTR.delete p0 {k3}
SFLUSH
CPACK m0, coordinate=p0, text=t0, length=r8, checksum_low=r9, checksum_high=r10, number=r11
CSEND.sink m0 {k3}
CSEND.xp m0 {k3}
CSEND.xm m0 {k3}
CSEND.yp m0 {k3}
CSEND.ym m0 {k3}
CSEND.zp m0 {k3}
CSEND.zm m0 {k3}
CFENCE
DMOV r4, r5 | SGATHER.whole t0, p0 | CTOP.least m1, p0, r4, zero {k3}
CDOT m2, p0, t0, wanted {k3}
CTALLY.leading3 m3, p0
.last
DSUB.u64 r4, r0, r1 | SFLUSH
CREDUCE.sum r0
CREDUCE.min r1
CREDUCE.max r0
CREDUCE.count r0
CREDUCE.fmin r2
CREDUCE.fmax r3
CMERGE m1
CCAST m1
CSEND.sink m1
CBAR
CRECV m0
CSEND.sink m0
CPACK m0, number=r4
CSEND.sink m0
CFENCE
