package dialog

// kind is an event as the table knows it.
type kind uint8

const (
	kindNone kind = iota
	reqInvite
	reqACK
	reqCancel
	reqBye
	reqUpdate
	reqInfo
	reqPrack
	reqRefer
	reqSubscribe
	inviteProgress // 1xx to our INVITE
	inviteOK       // 2xx to our INVITE, first or again, ours or another fork's
	inviteRefused  // final non-2xx to our INVITE
	inviteLost     // no final answer to our INVITE
	requestFinal   // final answer to another request of ours
	requestLost
	transportLost
	cmdProgress
	cmdAccept
	cmdReject
	cmdReoffer
	cmdAnswer
	cmdRefuse
	cmdInfo
	cmdAcceptRefer
	cmdRefuseRefer
	cmdNotifyRefer
	cmdRefer
	cmdEnd
	timerKinds // + Timer
	numKinds   = timerKinds + kind(numTimers)
)

var kindNames = [timerKinds]string{"none", "INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "INFO", "PRACK", "REFER", "SUBSCRIBE",
	"invite 1xx", "invite 2xx", "invite refused", "invite lost", "final response", "request lost", "transport lost",
	"progress", "accept", "reject", "reoffer", "answer", "refuse offer", "send info",
	"accept refer", "refuse refer", "notify refer", "send refer", "end"}

// String is the kind's name for logs and charts.
func (k kind) String() string {
	if k < timerKinds {
		return kindNames[k]
	}
	return "timer " + Timer(k-timerKinds).String()
}

func timerKind(t Timer) kind { return timerKinds + kind(t) }

type cell struct {
	act func(*Dialog, Event)
	why string // ignored, because
}

// row lists what happens to an event in some phases: act, or ignored because.
type row struct {
	in  []Phase
	on  []kind
	act func(*Dialog, Event)
	why string
}

type (
	ps = []Phase
	ks = []kind
)

var (
	uacEarly = ps{Calling, Proceeding}
	allLive  = ps{Calling, Proceeding, Cancelling, Incoming, Established, Leaving, Closing, Referring}
	every    = append(append(ps{}, allLive...), Terminated)
)

// rows is the machine. The first row that names a pair wins.
var rows = []row{
	// Our INVITE.
	{uacEarly, ks{inviteProgress}, (*Dialog).onProgress, ""},
	{uacEarly, ks{inviteOK}, (*Dialog).onAnswered, ""},
	{uacEarly, ks{inviteRefused}, (*Dialog).onRefused, ""},
	{uacEarly, ks{inviteLost}, (*Dialog).onInviteLost, ""},
	{uacEarly, ks{transportLost}, (*Dialog).onInviteTransport, ""},
	{uacEarly, ks{timerKind(TimerRing)}, (*Dialog).onRingTimeout, ""},
	{uacEarly, ks{cmdEnd}, (*Dialog).onEndEarly, ""},
	{uacEarly, ks{cmdReoffer}, (*Dialog).onCmdReoffer, ""},
	{uacEarly, ks{cmdAnswer}, (*Dialog).onAnswerEarly, ""},
	{uacEarly, ks{cmdRefuse}, (*Dialog).onRefuseEarly, ""},
	{uacEarly, ks{reqUpdate}, (*Dialog).onUpdateFork, ""},
	{uacEarly, ks{requestFinal}, (*Dialog).onFinalEarly, ""},
	{uacEarly, ks{requestLost}, (*Dialog).onLostEarly, ""},
	{uacEarly, ks{timerKind(TimerGlare)}, (*Dialog).onGlareOver, ""},
	{ps{Cancelling}, ks{inviteProgress}, (*Dialog).onProgressCancelling, ""},
	{ps{Cancelling}, ks{inviteOK}, (*Dialog).onAnsweredCancelling, ""},
	{ps{Cancelling}, ks{inviteRefused, inviteLost, transportLost, timerKind(TimerCancel)}, (*Dialog).onGone, ""},

	// The peer's INVITE.
	{ps{Incoming}, ks{cmdProgress}, (*Dialog).onCmdProgress, ""},
	{ps{Incoming}, ks{timerKind(TimerProvisional)}, (*Dialog).onProvisionalAgain, ""},
	{ps{Incoming}, ks{cmdAccept}, (*Dialog).onCmdAccept, ""},
	{ps{Incoming}, ks{cmdReject, cmdEnd}, (*Dialog).onCmdReject, ""},
	{ps{Incoming}, ks{cmdReoffer}, (*Dialog).onCmdReoffer, ""},
	{ps{Incoming}, ks{cmdAnswer}, (*Dialog).onAnswerEarly, ""},
	{ps{Incoming}, ks{cmdRefuse}, (*Dialog).onRefuseEarly, ""},
	{ps{Incoming}, ks{reqPrack}, (*Dialog).onPrack, ""},
	{ps{Incoming}, ks{timerKind(TimerReliable)}, (*Dialog).onReliableAgain, ""},
	{ps{Incoming}, ks{timerKind(TimerPrack)}, (*Dialog).onNoPrack, ""},
	{ps{Incoming}, ks{requestFinal}, (*Dialog).onFinalEarly, ""},
	{ps{Incoming}, ks{requestLost}, (*Dialog).onLostEarly, ""},
	{ps{Incoming}, ks{timerKind(TimerGlare)}, (*Dialog).onGlareOver, ""},
	{ps{Incoming}, ks{reqRefer}, (*Dialog).refusePendingRefer, ""},
	{ps{Incoming}, ks{reqCancel}, (*Dialog).onCancelled, ""},
	{ps{Incoming}, ks{reqBye}, (*Dialog).onBye, ""}, // a caller may BYE its early dialog, RFC 3261 15
	{ps{Incoming}, ks{reqInvite}, (*Dialog).refuseBusy, ""},
	{ps{Incoming}, ks{reqUpdate}, (*Dialog).onUpdateEarly, ""},
	{ps{Incoming}, ks{reqInfo}, (*Dialog).onInfo, ""},
	{ps{Incoming}, ks{transportLost}, (*Dialog).onTransportLost, ""},

	// Established: requests of the peer.
	{ps{Established}, ks{reqInvite}, (*Dialog).onReinvite, ""},
	{ps{Established, Leaving}, ks{reqACK}, (*Dialog).onACK, ""},
	{ps{Established}, ks{reqCancel}, (*Dialog).onCancelReinvite, ""},
	{ps{Established, Leaving}, ks{reqBye}, (*Dialog).onBye, ""},
	{ps{Established}, ks{reqUpdate}, (*Dialog).onUpdate, ""},
	{ps{Established}, ks{reqInfo}, (*Dialog).onInfo, ""},
	{ps{Established}, ks{reqPrack}, (*Dialog).onPrackLate, ""},
	{ps{Established}, ks{reqRefer}, (*Dialog).onRefer, ""},
	{ps{Established, Closing, Referring}, ks{reqSubscribe}, (*Dialog).onSubscribe, ""},
	// Established: answers to ours.
	{ps{Established}, ks{inviteProgress}, nil, "a re-INVITE's 1xx says nothing to the user"},
	{ps{Established}, ks{inviteOK}, (*Dialog).onReofferOK, ""},
	{ps{Leaving, Closing}, ks{inviteOK}, (*Dialog).onStrayOK, ""},
	{ps{Established}, ks{inviteRefused}, (*Dialog).onReofferRefused, ""},
	{ps{Established}, ks{inviteLost}, (*Dialog).onReofferLost, ""},
	{ps{Established}, ks{requestFinal}, (*Dialog).onFinal, ""},
	{ps{Established}, ks{requestLost}, (*Dialog).onRequestLost, ""},
	{ps{Established}, ks{transportLost}, (*Dialog).onTransportLost, ""},
	{ps{Established, Leaving}, ks{timerKind(TimerRetransmit)}, (*Dialog).onRetransmit, ""},
	{ps{Established, Leaving}, ks{timerKind(TimerAckWait)}, (*Dialog).onNoACK, ""},
	{ps{Established}, ks{timerKind(TimerGlare)}, (*Dialog).onGlareOver, ""},
	{ps{Established}, ks{timerKind(TimerReoffer)}, (*Dialog).onReofferSlow, ""},
	{ps{Established}, ks{timerKind(TimerRefresh)}, (*Dialog).onRefresh, ""},
	{ps{Established}, ks{timerKind(TimerExpire)}, (*Dialog).onExpire, ""},
	// Established: commands.
	{ps{Established}, ks{cmdReoffer}, (*Dialog).onCmdReoffer, ""},
	{ps{Established}, ks{cmdAnswer}, (*Dialog).onCmdAnswer, ""},
	{ps{Established}, ks{cmdRefuse}, (*Dialog).onCmdRefuse, ""},
	{ps{Established, Incoming}, ks{cmdInfo}, (*Dialog).onCmdInfo, ""},
	{ps{Established}, ks{cmdEnd, cmdReject}, (*Dialog).onCmdEnd, ""},

	// Transfers.
	{ps{Established}, ks{cmdAcceptRefer}, (*Dialog).onAcceptRefer, ""},
	{ps{Established}, ks{cmdRefuseRefer}, (*Dialog).onRefuseRefer, ""},
	{ps{Established}, ks{cmdRefer}, (*Dialog).onSendRefer, ""},
	{ps{Established, Leaving, Closing, Referring}, ks{cmdNotifyRefer}, (*Dialog).onNotifyRefer, ""},
	{ps{Established, Leaving, Closing, Referring}, ks{timerKind(TimerRefer)}, (*Dialog).onReferTimer, ""},
	{ps{Leaving}, ks{requestFinal}, (*Dialog).onFinalReferring, ""},
	{ps{Leaving}, ks{requestLost}, (*Dialog).onLostReferring, ""},
	{ps{Referring}, ks{requestFinal}, (*Dialog).onFinalReferring, ""},
	{ps{Referring}, ks{requestLost}, (*Dialog).onLostReferring, ""},
	{ps{Referring}, ks{transportLost, cmdEnd}, (*Dialog).onGone, ""},
	{ps{Referring}, ks{inviteOK}, (*Dialog).onStrayOK, ""},

	// The end.
	{ps{Leaving}, ks{transportLost}, (*Dialog).onGone, ""},
	{ps{Leaving}, ks{reqCancel}, (*Dialog).onCancelLate, ""},
	{ps{Closing}, ks{reqBye}, (*Dialog).onByeCrossing, ""},
	{ps{Closing}, ks{requestFinal}, (*Dialog).onFinalClosing, ""},
	{ps{Closing}, ks{requestLost}, (*Dialog).onLostClosing, ""},
	{ps{Closing}, ks{transportLost}, (*Dialog).onGone, ""},

	// RFC 3261 15: what comes for a dialog that has ended, or is not yet there.
	{allLive, ks{reqInvite, reqUpdate, reqInfo, reqBye, reqCancel, reqPrack, reqRefer, reqSubscribe}, (*Dialog).refuseGone, ""},

	// Nothing to do.
	{ps{Calling, Proceeding, Cancelling, Incoming, Closing, Referring}, ks{reqACK}, nil, "acknowledges what was given up, or nothing"},
	{ps{Incoming}, ks{inviteOK, inviteProgress, inviteRefused, inviteLost}, nil, "answer to a request of no consequence"},
	{ps{Leaving, Closing, Referring}, ks{inviteProgress, inviteRefused, inviteLost}, nil, "the re-INVITE died with the dialog"},
	{ps{Cancelling}, ks{requestFinal, requestLost}, nil, "answer to a request of no consequence"},
	{ps{Cancelling, Leaving, Closing, Referring}, ks{cmdProgress, cmdAccept, cmdReject, cmdReoffer, cmdAnswer, cmdRefuse, cmdInfo, cmdRefer, cmdEnd}, nil, "command crossed the end"},
	{ps{Established}, ks{cmdProgress, cmdAccept}, nil, "already answered"},
	{uacEarly, ks{cmdInfo, cmdRefer}, nil, "no answer yet to act on"},
	{ps{Incoming}, ks{cmdRefer}, nil, "no answer yet to act on"},
	{allLive, ks{cmdAcceptRefer, cmdRefuseRefer, cmdNotifyRefer}, nil, "the REFER is answered or gone"},
	{every, timersAll(), nil, "fired while being stopped"},
	{ps{Terminated}, kindsAll(), nil, "the dialog is over"},
}

func timersAll() ks {
	var out ks
	for t := Timer(0); t < numTimers; t++ {
		out = append(out, timerKind(t))
	}
	return out
}

func kindsAll() ks {
	var out ks
	for k := kindNone + 1; k < numKinds; k++ {
		out = append(out, k)
	}
	return out
}

var table [numPhases][numKinds]cell

// init spreads the rows; it is here and not in the declaration because the
// handlers refer to the table through Step.
func init() {
	for _, r := range rows {
		for _, p := range r.in {
			for _, k := range r.on {
				if c := &table[p][k]; c.act == nil && c.why == "" {
					*c = cell{r.act, r.why}
				}
			}
		}
	}
}
