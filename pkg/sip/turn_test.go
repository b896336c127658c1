package sip

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// TestShardTurn: readers that bring messages, and others that ask for something to
// be done, fight for one shard's turn. One has it at a time, nothing asked for is
// left behind, and each one's wishes are done in their order.
func TestShardTurn(t *testing.T) {
	s := newStack(t, nil, "127.0.0.1", &house{})
	defer stop(t, s)
	sh := s.shards[0]
	// An answer to nothing: counted and dropped, with the turn held.
	res := sip.NewResponse(200, "OK")
	res.AppendHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: "127.0.0.1", Params: sip.HeaderParams{{K: "branch", V: "z9hG4bKstray"}}})
	res.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.INVITE})
	const posters, each, readers = 6, 3000, 3
	var wg, wished sync.WaitGroup
	wished.Add(2 * posters * each)
	var last [posters]int // the owner's alone: the race detector sees a second one
	done := 0
	for p := range posters {
		wg.Go(func() {
			for i := 1; i <= each; i++ {
				sh.do(func() {
					if last[p] != i-1 {
						t.Errorf("wish %d of %d came behind %d", i, p, last[p])
					}
					last[p] = i
					done++
					sh.do(func() { done++; wished.Done() }) // what the owner itself asks for
					wished.Done()
				})
				if i%16 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	var here atomic.Int64
	for range readers {
		wg.Go(func() {
			for range each {
				m := inbound{res: res}
				switch {
				case sh.offer(m):
					here.Add(1)
				case !sh.putWait(m):
					t.Error("the stack has stopped")
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); wished.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d wishes were done: one was left behind", done, 2*posters*each)
	}
	t.Logf("%d of %d messages done by their readers", here.Load(), readers*each)
	// At rest: no count is left up, so that readers do their messages themselves.
	for end := time.Now().Add(10 * time.Second); !sh.offer(inbound{res: res}); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("an idle shard takes nothing here and now; %d messages wait", sh.queue.Load())
		}
	}
}
