//go:build !linux

package main

import "errors"

func awake() error { return errors.New("a device that never sleeps is only there on Linux") }
