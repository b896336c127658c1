package call

import "go.uber.org/zap"

// referLeg asks the line of a leg to call a number instead of us (RFC 3515): when it is
// a trunk that carries the number, and the house may call there. What else there is, a
// phone of the house or a line that was never given the number, takes no transfer.
func (o *owner) referLeg(e ReferLeg) {
	l, trunk := o.legs[e.Leg], o.m.S.Legs[e.Leg].Trunk
	no := func(code int) { o.then(ReferTold{Leg: e.Leg, Code: code, Refused: true}) }
	t := o.house.Trunk(trunk)
	if trunk == "" || t == nil || t.Target.URI == "" || l.dialog == nil || o.house.Emergency(e.Number) {
		no(405)
		return
	}
	routes, err := o.house.Outside(e.Number)
	if err != nil {
		o.log.Info("transfer by the caller's line refused", zap.Int("leg", e.Leg), zap.Error(err))
		no(refused(err))
		return
	}
	for _, r := range routes {
		if r.Trunk == trunk {
			l.dialog.SendRefer(withUser(t.Target.URI, r.Number))
			return
		}
	}
	no(405)
}
