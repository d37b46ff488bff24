// Package configs is what comes with the program as files: device profiles, example
// configurations and their schema, and what runs the gateway as a service beside
// other servers. All of it is embedded.
package configs

import "embed"

// Files holds profiles/<name>.yaml and the files beside it.
//
//go:embed *.yaml *.json *.service *.conf *.acl profiles/*.yaml
var Files embed.FS
