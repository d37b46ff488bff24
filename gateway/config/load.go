package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modferry/configs/plainfile"
	"modferry/configs/strictyaml"
	"modferry/gateway/message"
)

// Options are where a configuration takes things from; the zero value takes them
// from the environment and the file system, and knows no profiles.
type Options struct {
	Env      func(name string) (string, bool)           // for ${NAME}; nil = [os.LookupEnv]
	ReadFile func(file string) ([]byte, error)          // nil = the file system
	ReadDir  func(folder string) ([]fs.DirEntry, error) // nil = the file system
	Profiles fs.FS                                      // profiles/<name>.yaml; nil = none
}

// Load reads and checks the configuration in file. The error is
// [strictyaml.Problems] with every mistake, or says why the file cannot be read.
func Load(file string, o Options) (*Config, error) {
	o = o.complete()
	data, err := o.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no configuration file %s: create it, or name another one with -c; configs/gateway.yaml is an example", file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration %s: %w", file, reason(err))
	}
	return Parse(file, data, o)
}

// Parse is [Load] for a text that is already read; file is its name for messages,
// and relative files are relative to its folder. The error is [strictyaml.Problems].
func Parse(file string, data []byte, o Options) (*Config, error) {
	o = o.complete()
	doc := strictyaml.Parse(file, data, strictyaml.Options{Env: o.Env, Secret: isSecret})
	d := decoder{options: o, folder: filepath.Dir(file)}
	c := d.config(doc.Root())
	if err := doc.Err(); err != nil {
		return nil, err
	}
	c.Warnings = doc.Warnings()
	return c, nil
}

func (o Options) complete() Options {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = readFile
	}
	if o.ReadDir == nil {
		o.ReadDir = os.ReadDir
	}
	return o
}

// readFile reads no more than a configuration may have, and one byte to tell.
func readFile(name string) ([]byte, error) {
	f, err := plainfile.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1))
}

// reason takes the operation and path out of an error whose message names them already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// decoder turns the file's values into a Config; everything wrong is reported at its node.
type decoder struct {
	options Options
	folder  string // of the configuration file
	own     string // folder of the user's own profiles; "" = none
	prefix  string // of the topics
	open    bool   // the embedded broker has no users
}

func (d *decoder) config(n strictyaml.Node) *Config {
	m := n.Map()
	c := &Config{Gateway: name(m.Need("gateway"))}
	c.Prefix = prefix(m.Get("prefix"), c.Gateway)
	d.prefix = c.Prefix
	c.DataDir = d.path(m.Get("data_dir"))
	c.MQTT = d.mqtt(m.Get("mqtt"), c.Gateway)
	c.Requests = requests(m.Get("requests"))
	c.Backlog = backlog(m.Get("backlog"))
	c.Broker = d.broker(m.Get("broker"))
	if c.Broker.isEmbedded(c.MQTT.URL) {
		c.MQTT.URL = ""
	}
	c.HTTP = d.http(m.Get("http"))
	c.HomeAssistant = homeAssistant(m.Get("homeassistant"), c.Prefix)
	c.Sparkplug = sparkplug(m.Get("sparkplug"), c.Gateway, c.MQTT.ClientID)
	c.Buses = d.buses(m.Need("buses"))
	c.Profiles = d.profiles(m.Get("profiles"))
	d.own = c.Profiles
	c.Devices = d.devices(m.Get("devices"), c.Buses)
	if m.Node().Present() && !m.Get("broker").Present() && !m.Get("mqtt").Map().Get("url").Present() {
		m.Node().Problemf("there is no MQTT broker: add mqtt with the url of one, or broker: {} for the embedded one")
	}
	m.Done()
	return c
}

func requests(n strictyaml.Node) Requests {
	m := n.Map()
	defer m.Done()
	return Requests{
		ResumeWithin: m.Get("resume_within").Duration(30*time.Second, 0, 24*time.Hour),
		Rate:         m.Get("rate").Float(0, 0, 1e6),
	}
}

func backlog(n strictyaml.Node) Backlog {
	const least, most = 64 << 10, 64 << 30
	m := n.Map()
	defer m.Done()
	b := Backlog{Max: m.Get("max").Size(64 << 20), Rate: m.Get("rate").Int(200, 1, 100_000)}
	if b.Max != 0 && (b.Max < least || b.Max > most) {
		m.Get("max").Problemf("expected a size from 64KiB to 64GiB, or 0 to keep nothing, got %s", m.Get("max").Shown())
	}
	return b
}

// name reads what becomes a level of a topic, "" if it is absent or wrong.
func name(n strictyaml.Node) string {
	s, ok := n.Text()
	if ok && !message.ValidName(s) {
		reportName(n)
		return ""
	}
	return s
}

// checkKey is for the names that are keys.
func checkKey(e strictyaml.Entry) {
	if !message.ValidName(e.Name) {
		reportName(e.Key)
	}
}

func reportName(n strictyaml.Node) {
	n.Problemf("the name %s must have 1 to 64 letters, digits, _ or -", n.Shown())
}

// maxPrefix leaves room for what comes after it in a topic.
const maxPrefix = 512

func prefix(n strictyaml.Node, gateway string) string {
	p := topic(n)
	if strings.HasSuffix(p, "/") || len(p) > maxPrefix {
		n.Problemf("a prefix has at most %d characters and no / at the end, got %s", maxPrefix, n.Shown())
	}
	return cmp.Or(p, "modferry/"+gateway)
}

// topic reads a topic to publish to, "" if it is absent or wrong.
func topic(n strictyaml.Node) string {
	t, ok := n.Text()
	if ok && !message.ValidTopic(t) {
		n.Problemf("%s is no topic: it needs 1 to 1024 bytes and at most %d levels, no white space or control characters, no + or #, and no $ in front", n.Shown(), message.MaxLevels)
		return ""
	}
	return t
}

// path reads a file's name, relative to the configuration's folder.
func (d *decoder) path(n strictyaml.Node) string {
	p, ok := n.Text()
	if !ok || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(d.folder, p)
}
