package music

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// CheckURL tells whether a broadcast can be had from at: http or https, with a host.
func CheckURL(at string) error {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("music: %q is no http or https URL", at)
	}
	return nil
}

// Broadcast returns an Open for the URL at, which the operator has named and no
// tenant or caller can: private addresses are allowed, redirects are not followed.
// What comes is recognised by what it holds.
func Broadcast(at string) func(ctx context.Context) (io.ReadCloser, error) {
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: patience, TLSHandshakeTimeout: patience,
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 1 << 16, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       0, // it has no end
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, err
		}
		// No Icy-MetaData: titles would lie among the sound.
		req.Header.Set("User-Agent", "centrala")
		req.Header.Set("Accept", "audio/mpeg, audio/ogg, application/ogg, audio/*;q=0.5")
		begun := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("after %v: %w", time.Since(begun).Round(time.Millisecond), err)
		}
		if resp.StatusCode != http.StatusOK {
			resp.Body.Close()
			if to := resp.Header.Get("Location"); to != "" {
				return nil, fmt.Errorf("%s answers %s to %q: redirects are not followed, name that URL", req.URL.Host, resp.Status, to)
			}
			return nil, fmt.Errorf("%s answers %s", req.URL.Host, resp.Status)
		}
		return resp.Body, nil
	}
}
