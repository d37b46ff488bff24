package terminal

import "golang.org/x/sys/unix"

const getTermios, setTermios = unix.TCGETS, unix.TCSETS

// setLock is for locks that belong to an open file, not to the process.
const setLock = unix.F_OFD_SETLK
