package graph

import (
	"cmp"
	"fmt"
	"strings"
)

// fonts are widely there, and none is wider than what texts are measured by.
const fonts = `system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans","Hiragino Sans","Noto Sans CJK JP","DejaVu Sans",sans-serif`

// rule is a line of the style sheet, with what it says in the dark instead.
type rule struct{ selector, light, dark string }

// rules are the look of a drawing. The colours of marks are those of Okabe and Ito,
// which people who see fewer colours tell apart too, with darker and lighter ones
// for text. No mark is told by its colour alone: each has its icon, its word and its
// kind of border.
var rules = []rule{
	{".ground", "fill:#ffffff", "fill:#0d1117"},
	{"text", "font-family:" + fonts + ";font-size:11px;fill:#1f2328", "fill:#e6edf3"},
	{".name,.caption", "font-size:13px;font-weight:600", ""},
	{".soft", "fill:#59636e", "fill:#9198a1"},
	{".box", "fill:#ffffff;stroke:#818b98;stroke-width:1.25", "fill:#161b22;stroke:#6e7681"},
	{".around", "fill:#f6f8fa", "fill:#12171e"},
	{".panel", "fill:#ffffff;stroke:#d1d9e0;stroke-width:1", "fill:#0d1117;stroke:#30363d"},
	{".undo", "stroke-dasharray:2 3;stroke-linecap:round", ""},
	{".icon", "fill:none;stroke:#59636e;stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round", "stroke:#9198a1"},
	{".end", "fill:#1f2328;stroke:none", "fill:#e6edf3"},
	{".ring", "fill:none;stroke:#1f2328;stroke-width:1.5", "stroke:#e6edf3"},
	{".line", "fill:none;stroke:#6e7781;stroke-width:1.5;stroke-linejoin:round", "stroke:#8b949e"},
	{".tip", "fill:#6e7781;stroke:none", "fill:#8b949e"},
	{".catch", "stroke:#b26b00;stroke-dasharray:5 4", "stroke:#e69f00"},
	{".catch-tip", "fill:#b26b00", "fill:#e69f00"},
	{".catch-text", "fill:#8a5200", "fill:#f0b03c"},
	{".back", "stroke-dasharray:1.5 4;stroke-linecap:round", ""},
	{".untaken", "opacity:.6", ""},
	{".taken", "stroke-width:3.25", ""},
	{".taken-flow", "stroke:#1f2328", "stroke:#e6edf3"},
	{".taken-tip", "fill:#1f2328", "fill:#e6edf3"},
	{".done", "stroke:#009e73;stroke-width:1.75", ""},
	{".done-text", "fill:#00684c", "fill:#3fcf9f"},
	{".done-icon", "stroke:#007a59;stroke-width:2", "stroke:#3fcf9f"},
	{".running", "stroke:#0072b2;stroke-width:3;stroke-dasharray:none", "stroke:#2f9be0"},
	{".running-text", "fill:#005a8d", "fill:#6cbcf2"},
	{".running-icon", "stroke:#0072b2;stroke-width:2", "stroke:#6cbcf2"},
	{".failed", "stroke:#d55e00;stroke-width:3;stroke-dasharray:none", ""},
	{".failed-text", "fill:#a34700", "fill:#ff9a57"},
	{".failed-icon", "stroke:#c25400;stroke-width:2", "stroke:#ff9a57"},
	{".caught", "stroke:#c98a00;stroke-width:1.75;stroke-dasharray:8 3", "stroke:#e69f00"},
	{".caught-text", "fill:#805200", "fill:#f0b840"},
	{".caught-icon", "stroke:#996300;stroke-width:1.75", "stroke:#f0b840"},
	{".compensated", "stroke:#3d9bd1;stroke-width:1.75;stroke-dasharray:8 3 2 3", "stroke:#56b4e9"},
	{".compensated-text", "fill:#1b6592", "fill:#8fd0f5"},
	{".compensated-icon", "stroke:#1b6592;stroke-width:2", "stroke:#8fd0f5"},
	{".held", "stroke:#b4558b;stroke-width:4;stroke-dasharray:none", "stroke:#cc79a7"},
	{".held-text", "fill:#8f3a69", "fill:#e8a5c8"},
	{".held-icon", "stroke:#8f3a69;stroke-width:2.5", "stroke:#e8a5c8"},
	{".stopped", "stroke:#59636e;stroke-width:3", "stroke:#9198a1"},
	{".not-reached", "stroke-dasharray:3 3", ""},
	{".not-reached-text", "fill:#59636e", "fill:#9198a1"},
	{".pale", "fill:#59636e", "fill:#9198a1"},
}

// sheetOfStyle is the style sheet. Its rules come in an order in which the later
// ones prevail, so that in the dark all of them are said again.
func sheetOfStyle() string {
	var light, dark strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&light, "%s{%s}\n", r.selector, r.light)
		fmt.Fprintf(&dark, "%s{%s}\n", r.selector, cmp.Or(r.dark, r.light))
	}
	return light.String() + "@media (prefers-color-scheme:dark){\n" + dark.String() + "}\n"
}
