package config

import (
	"net"
	"net/mail"
	"strconv"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
)

// Mail configures the e-mail that the house sends.
type Mail struct {
	Server       string   `yaml:"server" default:"" doc:"Mail server that takes our mails, such as mail.example.com:587. Without a port: 587, 465 or 25, as goes with tls. Empty: no mail is sent."`
	TLS          string   `yaml:"tls" default:"starttls" enum:"starttls,tls,none" doc:"starttls: TLS after the greeting, or no mail. tls: from the first byte. none: in clear, for a relay on this machine."`
	CA           string   `yaml:"ca" default:"" doc:"PEM file of the authorities that the server is believed by. Empty: those of the system. Relative to the node file."`
	From         string   `yaml:"from" default:"" doc:"Address that mails are from."`
	Name         string   `yaml:"name" default:"Centrala" doc:"Name beside it."`
	User         string   `yaml:"user" default:"" doc:"Account at the server. Empty: without authentication."`
	PasswordFile string   `yaml:"password_file" default:"" doc:"File with its password, relative to the node file."`
	Dir          string   `yaml:"dir" default:"mail" doc:"Folder of mails that wait, in the data folder: they outlive a restart."`
	MaxMessages  int      `yaml:"max_messages" default:"1000" min:"1" max:"100000" doc:"Most mails that wait; further ones are dropped with an error in the log."`
	MaxMB        int      `yaml:"max_mb" default:"512" min:"1" max:"1048576" doc:"The same by size, megabytes."`
	MaxAge       Duration `yaml:"max_age" default:"48h" min:"1m" max:"720h" doc:"A mail that could not be delivered for so long is given up. Tries are a minute apart at first, four hours at last."`
	Timeout      Duration `yaml:"timeout" default:"1m" min:"1s" max:"10m" doc:"How long one delivery may take."`
}

func (c *Config) checkMail(fault told) {
	m := c.Mail
	if m.Dir == "" {
		fault("mail.dir", "empty; want a path")
	}
	if m.Server == "" {
		return
	}
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		host, port = m.Server, "25"
	}
	if n, err := strconv.Atoi(port); !hostName.MatchString(host) && net.ParseIP(host) == nil || err != nil || n < 1 || n > 65535 {
		fault("mail.server", "%s; want host:port such as mail.example.com:587", strict.Quote(m.Server))
	}
	if a, err := mail.ParseAddress(m.From); err != nil || a.Address != m.From {
		fault("mail.from", "%s; want an address such as centrala@example.com", strict.Quote(m.From))
	}
	if strings.ContainsAny(m.Name, "\r\n") || len(m.Name) > 128 {
		fault("mail.name", "%s; want up to 128 characters on one line", strict.Quote(m.Name))
	}
	if (m.User == "") != (m.PasswordFile == "") {
		fault("mail.user", "want user and password_file together")
	}
	if m.TLS == "none" && m.User != "" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		fault("mail.tls", "none would send the password in clear to %s; want starttls or tls", host)
	}
}

// MailDir is where mails wait.
func (c *Config) MailDir() string { return c.inData(c.Mail.Dir) }
