// Package call has the requests that came to a simulator and what was sent for them: a
// [Call], also as JSON with its frames in words, and a bounded [Log] of the last ones.
package call
