// Package config reads the node file (centrala.yaml): what this process
// listens on, where it keeps things and how much it takes. Resources (users,
// queues, flows) are not here; see pkg/resource. The file is read strictly:
// every fault is told at once with path, value and what is allowed. It is known
// to pkg/app alone, which hands plain values to the rooms.
package config

import "time"

// Duration is a time.Duration written as "500ms", "20s" or "1h30m".
type Duration time.Duration

// D is the plain time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// Config is the node file. The doc tags are the reference (docs/config.md).
type Config struct {
	Node       Node       `yaml:"node" doc:"This process."`
	Data       string     `yaml:"data" default:"/var/lib/centrala" doc:"Folder for everything this node writes. Relative paths of store, recordings, prompts and the API socket begin here. The --data flag overrides it."`
	SIP        SIP        `yaml:"sip" doc:"Signalling."`
	Media      Media      `yaml:"media" doc:"RTP."`
	Store      Store      `yaml:"store" doc:"Journal, call records, resources and registrations."`
	Recordings Recordings `yaml:"recordings" doc:"Recorded conversations."`
	Prompts    Prompts    `yaml:"prompts" doc:"Spoken prompts and music."`
	Flows      Flows      `yaml:"flows" doc:"What flows may do outside: requests to services."`
	Speech     Speech     `yaml:"speech" doc:"Texts that flows have spoken."`
	Mail       Mail       `yaml:"mail" doc:"E-mail that the house sends: messages of voicemail boxes, mails of flows."`
	Log        Log        `yaml:"log" doc:"Log lines on standard error."`
	HTTP       HTTP       `yaml:"http" doc:"Metrics and health for machines."`
	API        API        `yaml:"api" doc:"The REST API, used by the command line too."`
	Web        Web        `yaml:"web" doc:"Console, API and the signalling of browser phones on one address, for who signs in."`
	Auth       Auth       `yaml:"auth" doc:"How people sign in."`
	Limits     Limits     `yaml:"limits" live:"true" doc:"How much this node takes."`
	Drain      Drain      `yaml:"drain" live:"true" doc:"How this node stops."`
	Resources  []string   `yaml:"resources" doc:"Folders or files of resource documents, applied when the store holds none yet (first start). Relative to the node file."`

	// Warnings are faults that refuse nothing; set by Load.
	Warnings Faults `yaml:"-"`
	file     string
}

// Node names the process.
type Node struct {
	Name string `yaml:"name" default:"" doc:"Name of this node in logs and call ids: letters, digits, - and _, up to 32. Empty: the host name."`
}

// SIP configures signalling.
type SIP struct {
	Listeners            []Listener      `yaml:"listeners" doc:"Addresses to listen on. Default: UDP and TCP on 0.0.0.0:5060."`
	Realm                string          `yaml:"realm" default:"centrala" doc:"Digest realm of our devices. Changing it makes passwords that the store keeps as digests useless; apply the devices again."`
	UserAgent            string          `yaml:"user_agent" default:"Centrala" doc:"User-Agent and Server header. Empty sends none."`
	Timers               SIPTimers       `yaml:"timers" doc:"Timers of RFC 3261 17."`
	SessionTimer         SIPSessionTimer `yaml:"session_timer" doc:"Session timers (RFC 4028): calls whose far end vanished without a BYE come to an end."`
	ReliableProvisionals bool            `yaml:"reliable_provisionals" default:"false" doc:"Send early media reliably (100rel, RFC 3262) to every peer that supports it. To peers that require it, it is always sent so."`
	Limits               SIPLimits       `yaml:"limits" doc:"Caps that hold before anything is allocated."`
	Defence              Defence         `yaml:"defence" doc:"What guards the node against strangers and against too much work."`
	TLS                  SIPTLS          `yaml:"tls" doc:"Connections that we open by TLS, to trunks. The far end must prove the host name of its target; there is no way to switch that off. The files are read again when they change and by SIGHUP."`
	ACME                 ACME            `yaml:"acme" doc:"Certificates by ACME (RFC 8555), for listeners with tls.acme. Whoever sets it agrees to the authority's terms."`
	Keepalive            Keepalive       `yaml:"keepalive" doc:"How connections and registrations are kept alive, and given up."`
}

// Listener is one SIP address.
type Listener struct {
	Transport  string      `yaml:"transport" default:"udp" enum:"udp,tcp,tls,ws,wss" doc:"Transport. ws and wss are WebSockets (RFC 7118), for browsers."`
	Address    string      `yaml:"address" default:"0.0.0.0:5060" doc:"IP address and port to bind. Port 0 takes a free one. 0.0.0.0 is IPv4 alone, [::] is both unless another listener has the IPv4 side."`
	TLS        ListenerTLS `yaml:"tls" doc:"What a tls or wss listener shows and wants to see. The files are read again when they change and by SIGHUP; connections stay up."`
	WebSocket  WebSocket   `yaml:"websocket" doc:"What a ws or wss listener lets in."`
	Advertised string      `yaml:"advertised" default:"" doc:"host or host:port written in Via and Contact, when it differs from the bound address (NAT). Empty: the address the peer is reached from."`
}

// ListenerTLS is the certificate of a listener. Paths are relative to the node file.
type ListenerTLS struct {
	Certificate    string `yaml:"certificate" default:"" doc:"PEM file: the certificate, then its intermediates. Relative to the node file."`
	Key            string `yaml:"key" default:"" doc:"PEM file of its private key."`
	ClientCA       string `yaml:"client_ca" default:"" doc:"PEM file of the authorities whose client certificates prove a trunk (its tls_subject). Empty: none is asked for. Not for wss."`
	ClientRequired bool   `yaml:"client_required" default:"false" doc:"Refuse who shows no client certificate: for a listener that serves trunks alone."`
	ACME           bool   `yaml:"acme" default:"false" doc:"Take certificates from sip.acme instead of files."`
}

// WebSocket is what a WebSocket listener lets in.
type WebSocket struct {
	Path    string   `yaml:"path" default:"/sip" doc:"Path of the WebSocket; all else is 404."`
	Origins []string `yaml:"origins" doc:"Web pages that may open it: https://console.example.com, or a host with * in it. Pages of the very host always may; a client without Origin is no browser and may too."`
}

// SIPTLS is TLS towards others.
type SIPTLS struct {
	CA          string `yaml:"ca" default:"" doc:"PEM file of the authorities believed. Empty: those of the system. Relative to the node file."`
	Certificate string `yaml:"certificate" default:"" doc:"PEM file of a client certificate, shown to those who ask."`
	Key         string `yaml:"key" default:"" doc:"PEM file of its private key."`
}

// ACME is where certificates come from by themselves.
type ACME struct {
	Hosts     []string `yaml:"hosts" doc:"Host names to get certificates for, and no others. Empty: off."`
	Email     string   `yaml:"email" default:"" doc:"Whom the authority writes to."`
	Directory string   `yaml:"directory" default:"" doc:"URL of the authority's directory. Empty: Let's Encrypt."`
	Cache     string   `yaml:"cache" default:"acme" doc:"Folder of account and certificate keys, in the data folder."`
	HTTP      string   `yaml:"http" default:"" doc:"Address that answers the http-01 challenge; the authority comes to port 80. Empty: tls-alpn-01 alone, for which a tls or wss listener must be reached by port 443."`
	CA        string   `yaml:"ca" default:"" doc:"PEM file of the authorities that the directory itself is believed by. Empty: those of the system."`
}

// Keepalive is how what is up stays up.
type Keepalive struct {
	WebSocketPing Duration `yaml:"websocket_ping" default:"15s" min:"1s" max:"10m" doc:"Ping on WebSockets; one without a pong in that time is closed."`
	Stream        Duration `yaml:"stream" default:"30s" min:"0s" max:"10m" doc:"CRLF ping (RFC 5626 4.4.1) on silent TCP and TLS connections that we opened. 0: none."`
	FlowTimer     Duration `yaml:"flow_timer" default:"90s" min:"0s" max:"10m" doc:"What phones with outbound (RFC 5626) are told: without a keep-alive for so long, and 15 s, their connection is closed. 0: not told."`
	UDP           Duration `yaml:"udp" default:"30s" min:"0s" max:"10m" doc:"OPTIONS to phones that registered by UDP from behind NAT: keeps the way open and finds out who is gone. 0: none."`
	UDPAll        bool     `yaml:"udp_all" default:"false" doc:"Also to phones that are not behind NAT."`
	UDPMisses     int      `yaml:"udp_misses" default:"3" min:"1" max:"20" doc:"So many OPTIONS without an answer in a row, and the contact is dropped: its agent gets no calls."`
}

// SIPTimers are the base timers.
type SIPTimers struct {
	T1 Duration `yaml:"t1" default:"500ms" min:"10ms" max:"5s" doc:"Round-trip estimate; the transaction time-out is 64*T1."`
	T2 Duration `yaml:"t2" default:"4s" min:"100ms" max:"30s" doc:"Longest retransmission interval."`
	T4 Duration `yaml:"t4" default:"5s" min:"100ms" max:"30s" doc:"How long a message stays in the network."`
	// MinExpires, DefaultExpires, MaxExpires bound registrations (RFC 3261 10.3).
	MinExpires     Duration `yaml:"min_expires" default:"60s" min:"1s" max:"1h" doc:"Shortest registration taken (423 below)."`
	DefaultExpires Duration `yaml:"default_expires" default:"1h" min:"1s" max:"24h" doc:"Registration time when the phone names none."`
	MaxExpires     Duration `yaml:"max_expires" default:"2h" min:"1s" max:"24h" doc:"Longest registration given."`
}

// SIPSessionTimer is RFC 4028.
type SIPSessionTimer struct {
	Expires Duration `yaml:"expires" default:"30m" min:"0s" max:"24h" doc:"Session interval asked for in calls in and out, and the longest taken; half-way the session is refreshed, by the peer where it can. 0: none is asked for, and what a peer asks for is taken."`
	MinSE   Duration `yaml:"min_se" default:"90s" min:"90s" max:"2h" doc:"Shortest session interval taken (422 below)."`
}

// Defence is what guards the node against strangers.
type Defence struct {
	Bans       bool     `yaml:"bans" default:"true" doc:"Stop listening to addresses that guess passwords, try names that do not exist or send what is not SIP. Trunks and registered phones are heard all the same. centrala ban list shows who is banned."`
	Allow      []string `yaml:"allow" doc:"Addresses and nets that are never banned, such as 192.0.2.7 or 198.51.100.0/24."`
	FirstBan   Duration `yaml:"first_ban" default:"1m" min:"1s" max:"24h" doc:"Length of a first ban. Each further one is four times as long."`
	LongestBan Duration `yaml:"longest_ban" default:"24h" min:"1s" max:"8760h" doc:"Longest ban. After so long without one the next is a first ban again."`
	Overload   Duration `yaml:"overload" default:"25ms" min:"0s" max:"1s" doc:"New calls are refused with 503 and Retry-After, and then registrations, as long as every new request waits longer than this. Calls in progress and emergency calls go on. 0: never."`
}

// SIPLimits are caps on what strangers may send.
type SIPLimits struct {
	MaxMessageBytes          int      `yaml:"max_message_bytes" default:"65535" min:"2048" max:"1048576" doc:"Largest message, bytes."`
	MaxHeaderBytes           int      `yaml:"max_header_bytes" default:"8192" min:"512" max:"65535" doc:"Largest single header, bytes."`
	MaxHeaders               int      `yaml:"max_headers" default:"128" min:"16" max:"1024" doc:"Most headers in a message."`
	MaxConnections           int      `yaml:"max_connections" default:"10000" min:"1" max:"1000000" doc:"Most TCP connections."`
	MaxConnectionsPerIP      int      `yaml:"max_connections_per_ip" default:"2000" min:"1" max:"1000000" doc:"Most TCP connections of one address."`
	MaxTransactions          int      `yaml:"max_transactions" default:"100000" min:"100" max:"10000000" doc:"Most transactions at once; more get 503."`
	MaxTransactionsPerSource int      `yaml:"max_transactions_per_source" default:"50000" min:"100" max:"10000000" doc:"Most transactions at once that the phones and strangers of one address may have begun; more get 503. Each owner of dialogs grants an equal share of it, so an address whose calls fall unevenly meets it earlier. Trunks have max_calls."`
	MaxDialogs               int      `yaml:"max_dialogs" default:"20000" min:"10" max:"1000000" doc:"Most dialogs (two for a call between two phones) at once; more calls get 503."`
	MaxDialogsPerSource      int      `yaml:"max_dialogs_per_source" default:"500" min:"1" max:"1000000" doc:"Most calls that the phones of one address may have begun at once; more get 503. Trunks have max_calls."`
	IdleTimeout              Duration `yaml:"idle_timeout" default:"30m" min:"10s" max:"24h" doc:"A silent TCP connection is closed after this."`
	FirstMessageTimeout      Duration `yaml:"first_message_timeout" default:"10s" min:"1s" max:"5m" doc:"A new TCP connection must send a whole message within this."`
}

// Media configures RTP.
type Media struct {
	Bind         string   `yaml:"bind" default:"0.0.0.0" doc:"IP address that RTP sockets bind."`
	Advertised   string   `yaml:"advertised" default:"" doc:"IP address written in SDP. Empty: the bound address, or the address of the route out when that is 0.0.0.0."`
	PortMin      int      `yaml:"port_min" default:"20000" min:"1024" max:"65534" doc:"First RTP port; must be even. Each leg takes an even port and the next odd one for RTCP."`
	PortMax      int      `yaml:"port_max" default:"29999" min:"1025" max:"65535" doc:"Last RTCP port."`
	IO           string   `yaml:"io" default:"auto" enum:"auto,epoll,bpf" doc:"How packets are moved. bpf: the kernel passes on the packets of calls in conversation by itself, at a fraction of the cost; needs Linux 6.6 with the rights CAP_BPF and CAP_NET_ADMIN. epoll: through the process. auto: bpf where it is possible. centrala_media_io tells which it is."`
	Codecs       []string `yaml:"codecs" doc:"Codecs of calls: pcma, pcmu, g722, opus. A caller gets the first of its own list that is here, unless its device or trunk has a list of codecs; the other side is offered the caller's codecs first, so that sound passes through untouched wherever both can speak one. What differs is transcoded. Order: that of our own offers to callers who made none. Empty: pcma, pcmu, g722, opus."`
	Workers      int      `yaml:"workers" default:"0" min:"0" max:"256" doc:"Threads that move RTP. 0: one for every two CPUs; one carries hundreds of calls."`
	RTPTimeout   Duration `yaml:"rtp_timeout" default:"30s" min:"0s" max:"24h" doc:"A leg that should send and sends nothing for so long has vanished. 0: never."`
	HoldTimeout  Duration `yaml:"hold_timeout" default:"1h" min:"0s" max:"24h" doc:"The same for a leg on hold. 0: never."`
	RTCPXR       bool     `yaml:"rtcp_xr" default:"true" doc:"Ask phones and carriers in our offers for extended reports (RFC 3611): how they hear us, and round trips also without sender reports. Who does not know them passes over it. Who asks us is answered in any case."`
	ComfortNoise bool     `yaml:"comfort_noise" default:"false" doc:"Tell phones that they may describe their silence in place of sending it (RFC 3389, payload type 13). It saves their uplink; some gateways cut words short by it. Who sends it unasked is understood in any case."`
	WebRTC       WebRTC   `yaml:"webrtc" doc:"Sound of browsers: ICE (the lite side) and DTLS-SRTP on one port."`
	Stream       Stream   `yaml:"stream" doc:"Sound of calls to machines and back: voice robots, transcription (docs/streams.md)."`
}

// Stream configures streams to machines.
type Stream struct {
	Allow      []string `yaml:"allow" doc:"Host names, IP addresses and networks such as 10.0.0.0/8 that streams may go to although the address is private or the way is not TLS (ws, tcp). Empty: public addresses by wss and tls alone."`
	Max        int      `yaml:"max" default:"100" min:"1" max:"10000" doc:"Most streams at once; a flow's further one takes its way for failed."`
	Connect    Duration `yaml:"connect" default:"5s" min:"100ms" max:"1m" doc:"How long a machine may take to accept a stream, where the stream itself does not say."`
	SecretFile string   `yaml:"secret_file" default:"" doc:"File with the secret, 16 bytes or more, that signs each stream's request (HMAC-SHA256), so that the machine knows who calls. Empty: unsigned. Relative to the node file."`
}

// WebRTC configures the port of browsers.
type WebRTC struct {
	Listen     string      `yaml:"listen" default:"" doc:"IP address and UDP port that all browsers share, such as 0.0.0.0:30000; outside port_min to port_max. Empty: browsers that register over ws or wss have no sound."`
	TCP        bool        `yaml:"tcp" default:"false" doc:"Also by TCP on the same port, for networks that let no UDP through."`
	Advertised []string    `yaml:"advertised" doc:"IP addresses at which browsers reach that port, best first, each a candidate in SDP. Empty: as for phones, media.advertised or the address that the browser's signalling reaches."`
	ICEServers []ICEServer `yaml:"ice_servers" doc:"STUN and TURN servers that pages are told to use (POST /phone/session), for networks from which neither UDP nor TCP of media.webrtc.listen is reached. The node itself needs none."`
}

// Store configures persistence.
type Store struct {
	Path       string   `yaml:"path" default:"centrala.db" doc:"SQLite file."`
	FlushEvery Duration `yaml:"flush_every" default:"50ms" min:"1ms" max:"1s" doc:"How long the journal gathers events into one transaction."`
	Queue      int      `yaml:"queue" default:"65536" min:"1024" max:"1048576" doc:"Events kept in memory while the disk does not take them. When full, calls wait."`
}

// Recordings configures the recorder.
type Recordings struct {
	Dir        string   `yaml:"dir" default:"recordings" doc:"Folder of the recordings."`
	Threads    int      `yaml:"threads" default:"2" min:"1" max:"64" doc:"Threads that write all recordings."`
	FlushEvery Duration `yaml:"flush_every" default:"400ms" min:"20ms" max:"500ms" doc:"How often sound and header go to the file. A kill loses this and up to a quarter of a second more, never a whole second. Oftener costs CPU: 0.05 ms a call each time."`
	Format     string   `yaml:"format" default:"pcm" enum:"pcm,g711" doc:"pcm: 16-bit linear WAV, which every reader opens, 115 MB an hour. g711: the octets as they came, half of that; strict readers such as Python's wave refuse it."`
	Gain       string   `yaml:"gain" default:"off" enum:"off,rms" doc:"rms: bring each side of a recording slowly to one loudness (-20 dB). Nobody in the call hears it. Needs the format pcm."`
	Convert    string   `yaml:"convert" default:"none" enum:"none,flac,opus" doc:"What finished recordings are turned into, in the background and only while the machine has time. The WAV is removed once the result is read back and in the index. flac: without loss, about half the size. opus: 14 MB an hour, speech alone is kept well; each side is a stream of its own."`
	// Alarms of the room left, long before nothing fits.
	AlarmPercent int `yaml:"alarm_percent" default:"5" min:"0" max:"90" doc:"Less free space than this in recordings.dir is an alarm: log, centrala_storage_low, detail of /readyz. 0: none."`
	AlarmHours   int `yaml:"alarm_hours" default:"24" min:"0" max:"8760" doc:"The same when the free space lasts for less than this at the present rate of recording. 0: none."`
}

// Prompts configures where prompts come from.
type Prompts struct {
	Dir      string  `yaml:"dir" default:"prompts" doc:"Folder of the site's own prompts (LANGUAGE/NAME.wav, or .flac, .opus, .ogg with Opus, .mp3), taken before the built-in ones. May be absent."`
	Loudness int     `yaml:"loudness" default:"-21" min:"-40" max:"0" doc:"LUFS (EBU R 128) that prompts and music are brought to, so that none is louder than the next. 0: as they are."`
	Music    []Music `yaml:"music" doc:"Music that comes while it is heard, the same for all: a broadcast, or a list of files. A queue, flow or tenant names it where it may name a prompt of music; only this file says where it comes from."`
}

// Music is a source of music.
type Music struct {
	Name     string   `yaml:"name" doc:"What queues and flows call it: lower case letters, digits, - and _."`
	URL      string   `yaml:"url" doc:"A broadcast of MP3 or Ogg Opus by http or https, such as Icecast's. Connected only while somebody listens. Redirects are not followed; it may have a private address."`
	Files    []string `yaml:"files" doc:"In place of url: files that follow each other without a gap, or folders of them, in prompts.dir. Each is brought to prompts.loudness."`
	Shuffle  bool     `yaml:"shuffle" doc:"Play each round of files in another order."`
	Fallback string   `yaml:"fallback" doc:"Prompt that is heard while a broadcast is away. Empty: music."`
}

// Flows says what flows may do outside of the house.
type Flows struct {
	Allow          []string `yaml:"allow" doc:"Host names, IP addresses and networks such as 10.0.0.0/8 that flows may send requests to although the address is private or the way is not TLS (http). Empty: public addresses by https alone."`
	Jobs           int      `yaml:"jobs" default:"2000" min:"1" max:"100000" doc:"Most requests and other jobs of flows at once; a further one takes its way for failed at once."`
	JobsPerTenant  int      `yaml:"jobs_per_tenant" default:"1000" min:"1" max:"100000" doc:"The same for one tenant, so that a slow service of one takes no room from another."`
	SecretsKeyFile string   `yaml:"secrets_key_file" default:"secrets.key" doc:"File with the key that seals the tenants' secrets in the store, 64 hex digits, in the data folder; made at the first start. Keep a copy away from the backups of the store: without it every secret must be applied again."`
}

// Speech configures the synthesis of texts.
type Speech struct {
	Engine   string        `yaml:"engine" default:"none" enum:"none,espeak,http,websocket" doc:"What speaks the texts of flows. espeak: the program espeak-ng of this machine, run at low priority. http, websocket: a service, see speech.http and speech.websocket. none: flows with texts need a fallback."`
	Voices   []SpeechVoice `yaml:"voices" doc:"Voice of each language. Without one espeak takes the language's own, and a service is sent an empty {voice}."`
	Wait     Duration      `yaml:"wait" default:"3s" min:"100ms" max:"30s" doc:"How long a caller waits in silence for a text to be made; then the step's fallback is heard. The making goes on for the next caller."`
	Timeout  Duration      `yaml:"timeout" default:"15s" min:"500ms" max:"2m" doc:"How long the engine may take for a text."`
	Parallel int           `yaml:"parallel" default:"2" min:"1" max:"64" doc:"Texts made at a time; up to 64 more wait, others get their fallback at once."`
	Cache    string        `yaml:"cache" default:"speech" doc:"Folder of spoken texts, in the data folder: each is made once, also over restarts."`
	CacheMB  int           `yaml:"cache_mb" default:"256" min:"1" max:"1048576" doc:"Its size, megabytes; what was not asked for longest goes first. A second of espeak is 44 kB."`
	Espeak   Espeak        `yaml:"espeak" doc:"The program."`
	HTTP     SpeechHTTP    `yaml:"http" doc:"The service. It answers 200 with a sound file (WAV, FLAC, Ogg Opus, MP3), recognised by what it holds. Certificates are verified, redirects are not followed; it may have a private address."`
	// WebSocket is a service that sends its sound in pieces.
	WebSocket SpeechWebSocket `yaml:"websocket" doc:"A service that sends its sound in pieces as it makes it; the protocol is in streams.md. Certificates are verified, redirects are not followed; it may have a private address."`
}

// SpeechWebSocket configures a service of synthesis that is spoken to by WebSocket.
type SpeechWebSocket struct {
	URL     string         `yaml:"url" default:"" doc:"ws or wss URL."`
	Headers []SpeechHeader `yaml:"headers" doc:"Headers, with secrets."`
}

// SpeechVoice is the voice of a language.
type SpeechVoice struct {
	Language string `yaml:"language" doc:"Such as en, ro, ru."`
	Voice    string `yaml:"voice" doc:"The engine's own name of the voice, such as en-us+f3."`
}

// Espeak configures the program.
type Espeak struct {
	Program string `yaml:"program" default:"espeak-ng" doc:"Its name in PATH, or its path."`
	Speed   int    `yaml:"speed" default:"160" min:"80" max:"450" doc:"Words a minute."`
}

// SpeechHTTP configures the service.
type SpeechHTTP struct {
	URL     string         `yaml:"url" default:"" doc:"http or https URL; {text}, {language} and {voice} may stand behind its question mark and are escaped."`
	Body    string         `yaml:"body" default:"" doc:"JSON to POST, with {text}, {language} and {voice} inside its quotes. Empty: GET."`
	Headers []SpeechHeader `yaml:"headers" doc:"Headers, with secrets."`
}

// SpeechHeader is one header of the request.
type SpeechHeader struct {
	Name  string `yaml:"name" doc:"Such as Authorization."`
	Value string `yaml:"value" default:"" doc:"Its value, or what stands before the secret, such as \"Bearer \"."`
	Env   string `yaml:"env" default:"" doc:"Environment variable that holds the secret."`
	File  string `yaml:"file" default:"" doc:"File that holds the secret, relative to the node file."`
}

// Log configures logging.
type Log struct {
	Level  string `yaml:"level" default:"info" enum:"debug,info,warn,error" live:"true" doc:"Least level written."`
	Format string `yaml:"format" default:"auto" enum:"auto,console,json" doc:"auto: console on a terminal, json elsewhere. Takes effect at a restart."`
}

// HTTP configures the listener for machines.
type HTTP struct {
	Listen string `yaml:"listen" default:"127.0.0.1:9090" doc:"Address of /metrics, /healthz and /readyz. Empty: off."`
	Pprof  bool   `yaml:"pprof" default:"false" doc:"Also serve /debug/pprof there. Only on an address that strangers cannot reach."`
}

// API configures the REST API.
type API struct {
	Socket string `yaml:"socket" default:"centrala.sock" doc:"Unix socket (mode 0600) in the data folder."`
	Listen string `yaml:"listen" default:"" doc:"Also serve the API on this loopback address, without authentication. Empty: off."`
}

// Limits bound the node's work.
type Limits struct {
	MaxCalls        int      `yaml:"max_calls" default:"2000" min:"1" max:"100000" doc:"Most calls at once; more get 503 with Retry-After."`
	MaxCallDuration Duration `yaml:"max_call_duration" default:"12h" min:"1s" max:"168h" doc:"A call is ended after this."`
}

// Drain configures stopping.
type Drain struct {
	Timeout Duration `yaml:"timeout" default:"30s" min:"0s" max:"24h" doc:"After SIGTERM running calls may go on for so long; then they are ended with BYE."`
	// Registrations and OtherNode: what phones are told meanwhile.
	Registrations string `yaml:"registrations" default:"serve" enum:"serve,refuse,redirect" doc:"What a REGISTER gets meanwhile: serve it; refuse it with 503 and Retry-After; or redirect it (302) to other_node. Takes effect at a restart."`
	OtherNode     string `yaml:"other_node" default:"" doc:"SIP URI of the node that phones are sent to, such as sip:node2.example.com:5060. Takes effect at a restart."`
}
