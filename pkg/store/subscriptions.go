package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/centrala/centrala/pkg/sip/subscription"
)

var _ subscription.Store = (*Store)(nil)

// SaveSubscriptions implements subscription.Store, as durable as SaveBindings.
func (s *Store) SaveSubscriptions(ctx context.Context, list []subscription.Subscription) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for i := range list {
			v := &list[i]
			text, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("store: subscription of %s/%s: %w", v.Subscriber.Tenant, v.Subscriber.Device, err)
			}
			if err := s.exec(ctx, `INSERT INTO subscriptions (tenant, call_id, tag, expires, subscription) VALUES (?,?,?,?,?)
ON CONFLICT (tenant, call_id, tag) DO UPDATE SET expires = excluded.expires, subscription = excluded.subscription`,
				v.Subscriber.Tenant, v.CallID, v.Tag, v.Expires.UnixMilli(), string(text)); err != nil {
				return fmt.Errorf("store: write subscription: %w", err)
			}
		}
		return nil
	})
}

// DeleteSubscriptions implements subscription.Store.
func (s *Store) DeleteSubscriptions(ctx context.Context, list []subscription.Subscription) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for i := range list {
			v := &list[i]
			if err := s.exec(ctx, `DELETE FROM subscriptions WHERE tenant = ? AND call_id = ? AND tag = ?`, v.Subscriber.Tenant, v.CallID, v.Tag); err != nil {
				return fmt.Errorf("store: delete subscription: %w", err)
			}
		}
		return nil
	})
}

// LoadSubscriptions implements subscription.Store.
func (s *Store) LoadSubscriptions(ctx context.Context) ([]subscription.Subscription, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT subscription FROM subscriptions ORDER BY tenant, call_id, tag -- all tenants: the notifier serves them all and checks each request itself`)
	if err != nil {
		return nil, fmt.Errorf("store: read subscriptions: %w", err)
	}
	defer rows.Close()
	var out []subscription.Subscription
	for rows.Next() {
		var text string
		var v subscription.Subscription
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read subscriptions: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, fmt.Errorf("store: read subscriptions: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read subscriptions: %w", err)
	}
	return out, nil
}
