package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"modferry/modbus/explain"
)

func decodeCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "decode FRAME", Short: "Explain a frame byte by byte, and what is wrong with a broken one",
		Long: "Explains an RTU, ASCII or TCP frame, request or reply, given as hex text; \"-\" reads it from the standard input.\n" +
			"The exit code is 0 only for a good frame.",
		Example: "  modferry decode 010404013102222ACE\n  modferry decode :010400010002F8\n  modferry decode \"15 01 00 00 00 06 01 04 00 01 00 02\"",
		Args:    needFrame,
		RunE: func(c *cobra.Command, args []string) error {
			input := []byte(strings.Join(args, " "))
			if len(args) == 1 && args[0] == "-" {
				var err error
				if input, err = io.ReadAll(io.LimitReader(c.InOrStdin(), maxInput)); err != nil {
					return fmt.Errorf("cannot read the standard input: %w", err)
				}
			}
			e := explain.Frame(input)
			if asJSON {
				return failedIf(!e.Good(), json.NewEncoder(c.OutOrStdout()).Encode(e))
			}
			_, err := io.WriteString(c.OutOrStdout(), e.String())
			return failedIf(!e.Good(), err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the explanation as JSON")
	return c
}

// maxInput bounds what is read from the standard input; the longest frame has 513 characters.
const maxInput = 64 << 10

// needFrame: a frame may be given as one argument or, without quotes, as several.
func needFrame(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("there is no frame: give one as hex digits, such as \"01 04 00 01 00 02\"")
	}
	return nil
}
