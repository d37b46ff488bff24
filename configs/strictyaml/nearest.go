package strictyaml

import "strings"

// nearest returns the name that was probably meant by got, "" if none is close enough:
// one edit in names of 2 to 4 characters, two in longer ones; letter case and - for _
// do not count.
func nearest(got string, names []string) string {
	best, distance := "", 3
	got = plainName(got)
	if len(got) > 64 {
		return ""
	}
	for _, name := range names {
		d := edits(got, plainName(name))
		if allowed := min(2, (len(name)+1)/3); d <= allowed && d < distance {
			best, distance = name, d
		}
	}
	return best
}

func plainName(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// edits counts the insertions, deletions, replacements and swaps of neighbours between a and b.
func edits(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
