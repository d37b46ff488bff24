// Package configs is what comes with the program: device profiles, example
// configurations and the schema of the configuration file.
package configs

import "embed"

// Files holds profiles/<name>.yaml and the examples beside it.
//
//go:embed *.yaml profiles/*.yaml
var Files embed.FS
