//go:build !linux

package broker

import (
	"context"
	"os"
)

func limitFiles(context.Context, string) {}

var usr1 = os.Interrupt
