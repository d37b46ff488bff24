// Package plainfile opens files that somebody has named, and refuses what only looks
// like one: a named pipe, a socket or a device, which may block its reader for ever or
// have no end.
package plainfile

import (
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxSize is how much [Read] reads, in bytes.
const MaxSize = 64 << 20

// NotPlain is the error for what is no file.
type NotPlain struct{ Is string }

func (e *NotPlain) Error() string { return "it is no file but " + e.Is }

// Open opens a file for reading. It does not block: the error for what is no file is a
// [fs.PathError] with [NotPlain], or what the system says of a folder.
func Open(name string) (*os.File, error) {
	info, err := os.Stat(name) // follows links
	if err != nil {
		return nil, err
	}
	if err := plain(name, info); err != nil {
		return nil, err
	}
	// Another thing may have come there since: opening a pipe would wait for its writer.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = plain(name, info)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func plain(name string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &fs.PathError{Op: "read", Path: name, Err: syscall.EISDIR}
	case mode&fs.ModeNamedPipe != 0:
		return notPlain(name, "a pipe")
	case mode&fs.ModeSocket != 0:
		return notPlain(name, "a socket")
	case mode&fs.ModeDevice != 0:
		return notPlain(name, "a device")
	}
	return notPlain(name, "something else")
}

func notPlain(name, is string) error {
	return &fs.PathError{Op: "open", Path: name, Err: &NotPlain{is}}
}

// OpenTable opens a table, such as a CSV file, of at most so many bytes; what is added to it
// meanwhile is not a part of it.
func OpenTable(name string, most int64) (io.ReadCloser, error) {
	file, err := Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() > most {
		err = fmt.Errorf("%s has %d MiB, at most %d MiB can be read: cut it into parts, or leave out columns", name, (info.Size()+1<<20-1)>>20, most>>20)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(file, info.Size()), file}, nil
}

// Read reads a whole file, of at most [MaxSize].
func Read(name string) ([]byte, error) { return ReadMost(name, MaxSize) }

// ReadMost reads a whole file of at most so many bytes; of one that has more, nothing
// is read.
func ReadMost(name string, most int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var data []byte
	if info.Size() <= most {
		data, err = io.ReadAll(io.LimitReader(f, most+1)) // it may grow meanwhile
	}
	if err == nil && max(info.Size(), int64(len(data))) > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it has more than %s", size(most))}
	}
	return data, err
}

func size(bytes int64) string {
	if bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// KeyPair is [tls.LoadX509KeyPair] for such files.
func KeyPair(cert, key string) (tls.Certificate, error) {
	certificate, err := Read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := Read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, private)
}
