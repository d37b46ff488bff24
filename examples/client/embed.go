// Package client holds modferry-client, the JavaScript helper for apps, so that the
// gateway can serve it to pages of its own.
package client

import _ "embed"

// Source is modferry.mjs, an ES module without imports.
//
//go:embed modferry.mjs
var Source []byte
