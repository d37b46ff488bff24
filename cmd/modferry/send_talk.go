package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modferry/configs/plainfile"
	"modferry/gateway/message"
	"modferry/gateway/screen"
	"modferry/gateway/wholefile"
	"modferry/modbus/explain"
)

// talkHelp is what a person reads first.
const talkHelp = "Type a frame as hex digits, with or without its check code, such as 01 04 00 01 00 02.\n" +
	"The arrow keys bring back earlier ones. help shows this, Ctrl-D ends it.\n"

const (
	talkLines = 500
	maxLines  = 64 << 10 // bytes of the file
)

// talk sends what a person types, one request after the other, over one connection.
func (f sendFlags) talk(ctx context.Context, in, out *os.File) error {
	s, err := f.sender(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	file := historyFile()
	p, err := screen.Ask(in, out, f.bus+"> ", earlierLines(file), talkLines)
	if err != nil {
		return fmt.Errorf("this is no terminal to type in: give a frame as an argument (%w)", err)
	}
	defer func() {
		_ = p.Close() // the process ends
		if file != "" {
			_ = wholefile.Write(file, []byte(strings.Join(p.Lines(), "\n")+"\n")) // the next time there are fewer
		}
	}()
	fmt.Fprint(p, talkHelp)
	for ctx.Err() == nil {
		line, err := p.Line()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch line = strings.TrimSpace(line); line {
		case "":
		case "quit", "exit":
			return nil
		case "help", "?":
			fmt.Fprint(p, talkHelp)
		default:
			f.say(ctx, s, line, p)
		}
	}
	return nil
}

// say makes one exchange, and shows its reply or why there is none.
func (f sendFlags) say(ctx context.Context, s *sender, line string, out io.Writer) {
	request, err := requestOf(line)
	if err == nil {
		var reply []byte
		start := time.Now()
		if reply, err = s.exchange(ctx, line, request); err == nil {
			fmt.Fprintf(out, "%v\n", time.Since(start).Round(100*time.Microsecond))
			if reply == nil {
				fmt.Fprintln(out, "sent to all devices (unit 0): a broadcast is not answered")
				return
			}
			_ = show(out, false, explain.Reply([]byte(line), reply), 0) // an exception is no end
			fmt.Fprintln(out)
			return
		}
	}
	fmt.Fprintln(out, screen.Clean(err.Error()))
}

func requestOf(text string) (*message.Request, error) {
	request, err := message.Decode([]byte(text), message.Options{})
	if err != nil {
		return nil, usage("this is not a request: %w", err)
	}
	if request.Form == message.JSON {
		return nil, usage("send takes a frame as hex text, not JSON")
	}
	return request, nil
}

// historyFile is where typed lines are kept; "" = nowhere.
func historyFile() string {
	if dir := stateDir("send"); dir != "" {
		return filepath.Join(filepath.Dir(dir), "send.history")
	}
	return ""
}

func earlierLines(file string) []string {
	f, err := plainfile.Open(file)
	if err != nil {
		return nil // the first time
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLines))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, screen.Clean(strings.TrimSpace(line)))
	}
	return lines
}
