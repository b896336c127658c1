//go:build linux && (amd64 || arm64) && !portable

package bpf

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Offsets in a packet with an Ethernet header (loopback has one as well) and an
// IPv4 header without options.
const (
	pktType   = 12
	pktIP     = 14
	pktIPLen  = 16
	pktFrag   = 20
	pktTTL    = 22
	pktProto  = 23
	pktIPSum  = 24
	pktSaddr  = 26
	pktDaddr  = 30
	pktPorts  = 34
	pktDport  = 36
	pktUDPLen = 38
	pktUDPSum = 40
	pktRTP    = 42
	pktSeq    = 44
	pktTS     = 46
	pktSSRC   = 50
	pktEnd    = 54
)

// struct __sk_buff.
const (
	skbLen     = 0
	skbPktType = 4
	skbVLAN    = 20
	skbIfindex = 40
	skbData    = 76
	skbDataEnd = 80
	skbGSO     = 176
)

// Where a record in a ring has what; the payload follows.
const (
	recordAt   = 0
	recordTS   = 8
	recordSSRC = 12
	recordPort = 16
	recordLen  = 18
	recordHead = 20
	recordTick = recordHead + 160        // what 20 ms of G.711 need
	recordMax  = recordHead + MaxPayload // 60 ms
)

// next leaves the packet to whoever is next, in the end to its socket.
const next = -1

// program forwards the packets of open flows; ports [first, first+2n) belong to
// the flows. It is run for each packet that comes in, on lo as well.
//
// r6 is the context, r7 the flow, r8 the packet, r9 what the step needs.
// Stack: -4 the key; -16 the time; -32 the new RTP header; -40 the ring's key.
func program(flows, rings *ebpf.Map, first uint16, n uint32) asm.Instructions {
	const (
		key    = -4
		now    = -16
		header = -32
		which  = -40
	)
	load := asm.LoadMem
	// want goes to label unless the packet has at off what the flow has at f.
	want := func(off, f int16, size asm.Size, label string) asm.Instructions {
		return asm.Instructions{
			load(asm.R1, asm.R8, off, size),
			load(asm.R2, asm.R7, f, size),
			asm.JNE.Reg(asm.R1, asm.R2, label),
		}
	}
	packet := func(label string) asm.Instructions { // r8, checked
		return asm.Instructions{
			load(asm.R8, asm.R6, skbData, asm.Word),
			load(asm.R1, asm.R6, skbDataEnd, asm.Word),
			asm.Mov.Reg(asm.R2, asm.R8),
			asm.Add.Imm(asm.R2, pktEnd),
			asm.JGT.Reg(asm.R2, asm.R1, label),
		}
	}
	// state moves the flow's state with r1.
	state := func(op asm.AtomicOp) asm.Instruction {
		i := op.Mem(asm.R7, asm.R1, asm.Word, 0)
		i.Constant = int64(op >> 8) // v0.22 of the library forgets it when it writes the instruction
		return i
	}
	var p asm.Instructions
	add := func(i ...asm.Instruction) { p = append(p, i...) }

	// Whatever is not a plain UDP packet for one of our ports is let go first.
	add(asm.Mov.Reg(asm.R6, asm.R1))
	add(packet("pull")...)
	add(asm.Ja.Label("look"))
	// Some drivers leave the headers outside of the linear part.
	add(
		load(asm.R1, asm.R6, skbLen, asm.Word).WithSymbol("pull"),
		asm.JLT.Imm(asm.R1, pktEnd, "next"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, pktEnd),
		asm.FnSkbPullData.Call(),
	)
	add(packet("next")...)
	add(
		load(asm.R1, asm.R8, pktType, asm.Half).WithSymbol("look"),
		asm.JNE.Imm(asm.R1, 0x0008, "next"), // IPv4, as read on a little-endian machine
		load(asm.R1, asm.R8, pktIP, asm.Byte),
		asm.JNE.Imm(asm.R1, 0x45, "next"),
		load(asm.R1, asm.R8, pktProto, asm.Byte),
		asm.JNE.Imm(asm.R1, 17, "next"),
		load(asm.R1, asm.R8, pktDport, asm.Half),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.Sub.Imm(asm.R1, int32(first)),
		asm.JGE.Imm(asm.R1, int32(2*n), "next"), // unsigned: a port below first is large
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.And.Imm(asm.R2, 1),
		asm.JNE.Imm(asm.R2, 0, "next"),
		asm.RSh.Imm(asm.R1, 1),
		asm.StoreMem(asm.RFP, key, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, flows.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "next"),
		asm.Mov.Reg(asm.R7, asm.R0),
		load(asm.R1, asm.R7, 0, asm.Word),
		asm.JNE.Imm(asm.R1, int32(open), "next"),
		// A fragment, a VLAN's, a bundle of segments, another host's.
		load(asm.R1, asm.R8, pktFrag, asm.Half),
		asm.And.Imm(asm.R1, 0xFF3F),
		asm.JNE.Imm(asm.R1, 0, "next"),
		load(asm.R1, asm.R6, skbVLAN, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "next"),
		load(asm.R1, asm.R6, skbGSO, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "next"),
		load(asm.R1, asm.R6, skbPktType, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "next"),
		// The flow is ours if it is open; a compare-and-swap is a full barrier.
		asm.Mov.Imm(asm.R0, int32(open)),
		asm.Mov.Imm(asm.R1, int32(busy)),
		state(asm.CmpXchg),
		asm.JNE.Imm(asm.R0, int32(open), "next"),
	)

	// Is it the very next packet of this very stream? All is compared while the
	// flow is held: it may have become another's since it was found.
	add(
		load(asm.R1, asm.R6, skbIfindex, asm.Word),
		load(asm.R2, asm.R7, 60, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "leave"),
	)
	add(want(pktSaddr, 4, asm.Word, "leave")...)
	add(want(pktDaddr, 8, asm.Word, "leave")...)
	add(want(pktPorts, 12, asm.Word, "leave")...)
	add(want(pktRTP, 36, asm.Half, "leave")...)
	add(want(pktSSRC, 28, asm.Word, "leave")...)
	add(
		load(asm.R1, asm.R8, pktSeq, asm.Half),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		load(asm.R2, asm.R7, 40, asm.Half),
		asm.JNE.Reg(asm.R1, asm.R2, "leave"),
		load(asm.R1, asm.R8, pktTS, asm.Word),
		asm.HostTo(asm.BE, asm.R1, asm.Word),
		load(asm.R2, asm.R7, 48, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "leave"),
		// The lengths of IP and UDP agree with each other and with the payload's.
		load(asm.R3, asm.R7, 44, asm.Word),
		load(asm.R1, asm.R8, pktUDPLen, asm.Half),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.Mov.Reg(asm.R2, asm.R3),
		asm.Add.Imm(asm.R2, 8+12),
		asm.JNE.Reg(asm.R1, asm.R2, "leave"),
		load(asm.R1, asm.R8, pktIPLen, asm.Half),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.Add.Imm(asm.R2, 20),
		asm.JNE.Reg(asm.R1, asm.R2, "leave"),
		load(asm.R1, asm.R6, skbLen, asm.Word),
		asm.Add.Imm(asm.R2, 14),
		asm.JLT.Reg(asm.R1, asm.R2, "leave"),
		// A sender that was silent for a second is looked at again.
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.RFP, now, asm.R0, asm.DWord),
		load(asm.R1, asm.R7, 80, asm.DWord),
		asm.Mov.Reg(asm.R9, asm.R0),
		asm.Sub.Reg(asm.R9, asm.R1), // r9: since the last packet
		asm.JGT.Imm(asm.R9, 1e9, "leave"),
	)

	// The recorder's copy; without it the packet is not ours.
	add(
		load(asm.R1, asm.R7, 68, asm.Word),
		asm.StoreMem(asm.RFP, which, asm.R1, asm.Word),
		asm.Mov.Imm32(asm.R2, -1),
		asm.JEq.Reg32(asm.R1, asm.R2, "count"),
		asm.LoadMapPtr(asm.R1, rings.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, which),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "leave"),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.Mov.Imm(asm.R3, 0),
		load(asm.R4, asm.R7, 44, asm.Word),
		asm.JGT.Imm(asm.R4, recordTick-recordHead, "large"),
		asm.Mov.Imm(asm.R2, recordTick),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "leave"),
	)
	fill := func(most int32, label string) {
		// r0 is the record; it is kept at -48, for r9 is taken.
		add(
			asm.StoreMem(asm.RFP, -48, asm.R0, asm.DWord).WithSymbol(label),
			load(asm.R1, asm.RFP, now, asm.DWord),
			asm.StoreMem(asm.R0, recordAt, asm.R1, asm.DWord),
			load(asm.R1, asm.R7, 48, asm.Word),
			asm.StoreMem(asm.R0, recordTS, asm.R1, asm.Word),
			load(asm.R1, asm.R8, pktSSRC, asm.Word),
			asm.HostTo(asm.BE, asm.R1, asm.Word),
			asm.StoreMem(asm.R0, recordSSRC, asm.R1, asm.Word),
			load(asm.R1, asm.R8, pktDport, asm.Half),
			asm.HostTo(asm.BE, asm.R1, asm.Half),
			asm.StoreMem(asm.R0, recordPort, asm.R1, asm.Half),
			load(asm.R4, asm.R7, 44, asm.Word),
			asm.StoreMem(asm.R0, recordLen, asm.R4, asm.Half),
			asm.Mov.Reg(asm.R3, asm.R0),
			asm.Add.Imm(asm.R3, recordHead),
			asm.JEq.Imm(asm.R4, 0, "discard"),
			asm.JGT.Imm(asm.R4, most, "discard"),
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Imm(asm.R2, pktEnd),
			asm.FnSkbLoadBytes.Call(),
			asm.JNE.Imm(asm.R0, 0, "discard"),
			load(asm.R1, asm.RFP, -48, asm.DWord),
			asm.Mov.Imm(asm.R2, 1), // BPF_RB_NO_WAKEUP: it is fetched in time
			asm.FnRingbufSubmit.Call(),
			asm.Ja.Label("count"),
		)
	}
	fill(recordTick-recordHead, "small")
	add(
		asm.Mov.Imm(asm.R2, recordMax).WithSymbol("large"),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "leave"),
	)
	fill(recordMax-recordHead, "largeFill")
	add(
		load(asm.R1, asm.RFP, -48, asm.DWord).WithSymbol("discard"),
		asm.Mov.Imm(asm.R2, 1),
		asm.FnRingbufDiscard.Call(),
		asm.Ja.Label("leave"),
	)

	// RFC 3550 A.8, in nanoseconds: J += |D| - (J + 8) / 16, J being 16 times.
	add(
		load(asm.R1, asm.R7, 72, asm.DWord).WithSymbol("count"),
		asm.Sub.Reg(asm.R9, asm.R1),
		asm.JSGE.Imm(asm.R9, 0, "positive"),
		asm.Neg.Imm(asm.R9, 0),
		load(asm.R1, asm.R7, 88, asm.DWord).WithSymbol("positive"),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Add.Imm(asm.R2, 8),
		asm.RSh.Imm(asm.R2, 4),
		asm.Add.Reg(asm.R1, asm.R9),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R7, 88, asm.R1, asm.DWord),
		load(asm.R1, asm.RFP, now, asm.DWord),
		asm.StoreMem(asm.R7, 80, asm.R1, asm.DWord),
		load(asm.R1, asm.R7, 96, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, 96, asm.R1, asm.DWord),

		// Nobody listens: it was counted, and that is all.
		load(asm.R1, asm.R7, 64, asm.Word),
		asm.Mov.Imm32(asm.R2, -1),
		asm.JNE.Reg32(asm.R1, asm.R2, "onward"),
		load(asm.R1, asm.R7, 40, asm.Half),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, 40, asm.R1, asm.Half),
		load(asm.R1, asm.R7, 48, asm.Word),
		load(asm.R2, asm.R7, 56, asm.Word),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R7, 48, asm.R1, asm.Word),
		asm.Ja.Label("drop"),

		// The new RTP header, in network order on the stack.
		asm.StoreImm(asm.RFP, header, 0x80, asm.Byte).WithSymbol("onward"),
		load(asm.R1, asm.R7, 38, asm.Byte),
		asm.StoreMem(asm.RFP, header+1, asm.R1, asm.Byte),
		load(asm.R1, asm.R7, 40, asm.Half),
		load(asm.R2, asm.R7, 42, asm.Half),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.StoreMem(asm.RFP, header+2, asm.R2, asm.Half),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, 40, asm.R1, asm.Half), // wraps
		load(asm.R1, asm.R7, 48, asm.Word),
		load(asm.R2, asm.R7, 52, asm.Word),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.HostTo(asm.BE, asm.R2, asm.Word),
		asm.StoreMem(asm.RFP, header+4, asm.R2, asm.Word),
		load(asm.R2, asm.R7, 56, asm.Word),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R7, 48, asm.R1, asm.Word), // wraps
		load(asm.R1, asm.R7, 32, asm.Word),
		asm.StoreMem(asm.RFP, header+8, asm.R1, asm.Word),
	)

	// The UDP checksum, which may be partial (lo), complete, or absent: the helper
	// knows. First what is in the packet, then what the pseudo header covers.
	diff := func(from int16, flowOff int16, size int32) {
		add(
			asm.Mov.Reg(asm.R5, asm.R0),
			asm.Mov.Reg(asm.R1, asm.R8),
			asm.Add.Imm(asm.R1, int32(from)),
			asm.Mov.Imm(asm.R2, size),
		)
		if flowOff < 0 {
			add(asm.Mov.Reg(asm.R3, asm.RFP))
		} else {
			add(asm.Mov.Reg(asm.R3, asm.R7))
		}
		add(
			asm.Add.Imm(asm.R3, int32(flowOff)),
			asm.Mov.Imm(asm.R4, size),
			asm.FnCsumDiff.Call(),
		)
	}
	replace := func(flags int32) {
		add(
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Imm(asm.R2, pktUDPSum),
			asm.Mov.Imm(asm.R3, 0),
			asm.Mov.Imm(asm.R5, flags),
			asm.FnL4CsumReplace.Call(),
		)
	}
	const (
		pseudo  = 0x10 // BPF_F_PSEUDO_HDR
		mangled = 0x20 // BPF_F_MARK_MANGLED_0
	)
	add(asm.Mov.Imm(asm.R0, 0))
	diff(pktSaddr, 16, 8)
	add(asm.Mov.Reg(asm.R9, asm.R0), asm.Mov.Imm(asm.R0, 0))
	diff(pktRTP, header, 12)
	diff(pktPorts, 24, 4)
	add(asm.Mov.Reg(asm.R4, asm.R0))
	replace(mangled)
	add(asm.Mov.Reg(asm.R4, asm.R9))
	replace(pseudo | mangled)

	// The headers. The helpers above may have moved the packet.
	add(packet("drop")...)
	put := func(off, from int16, base asm.Register, size asm.Size) {
		add(load(asm.R1, base, from, size), asm.StoreMem(asm.R8, off, asm.R1, size))
	}
	put(pktSaddr, 16, asm.R7, asm.Word)
	put(pktDaddr, 20, asm.R7, asm.Word)
	put(pktPorts, 24, asm.R7, asm.Word)
	for i := int16(0); i < 12; i += 4 {
		// The packet's header stands at a multiple of two.
		put(pktRTP+i, header+i, asm.RFP, asm.Half)
		put(pktRTP+i+2, header+i+2, asm.RFP, asm.Half)
	}
	add(
		// As our sockets send: expedited forwarding, do not fragment, 64 hops.
		asm.StoreImm(asm.R8, pktIP+1, 46<<2, asm.Byte),
		asm.StoreImm(asm.R8, pktFrag, 0x0040, asm.Half),
		asm.StoreImm(asm.R8, pktTTL, 64, asm.Byte),
		asm.StoreImm(asm.R8, pktIPSum, 0, asm.Half),
		asm.Mov.Imm(asm.R9, 0),
	)
	for off := int16(pktIP); off < pktPorts; off += 2 {
		add(load(asm.R1, asm.R8, off, asm.Half), asm.Add.Reg(asm.R9, asm.R1))
	}
	for range 2 {
		add(
			asm.Mov.Reg(asm.R1, asm.R9),
			asm.RSh.Imm(asm.R1, 16),
			asm.And.Imm(asm.R9, 0xFFFF),
			asm.Add.Reg(asm.R9, asm.R1),
		)
	}
	add(
		asm.Xor.Imm(asm.R9, 0xFFFF),
		asm.StoreMem(asm.R8, pktIPSum, asm.R9, asm.Half),
		load(asm.R9, asm.R7, 64, asm.Word),
		asm.Mov.Imm(asm.R1, int32(open)),
		state(asm.Xchg),
		asm.JEq.Imm(asm.R9, 0, "next"), // up the stack, to the peer's own socket
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRedirectNeigh.Call(),
		asm.Return(),

		asm.Mov.Imm(asm.R1, int32(open)).WithSymbol("leave"),
		state(asm.Xchg),
		asm.Mov.Imm(asm.R0, next).WithSymbol("next"),
		asm.Return(),

		// From above: it cannot happen that a packet is not as long any more.
		asm.Mov.Imm(asm.R1, int32(open)).WithSymbol("drop"),
		state(asm.Xchg),
		asm.Mov.Imm(asm.R0, 2), // TCX_DROP
		asm.Return(),
	)
	return p
}
