package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Completion prints a completion script.
type Completion struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help is the long help of completion.
func (Completion) Help() string {
	return `Examples:
  source <(backstep completion bash)
  backstep completion fish > ~/.config/fish/completions/backstep.fish`
}

// Run prints the script, made from the verbs and flags themselves.
func (v *Completion) Run(s *session) error {
	script := map[string]func(*kong.Application) string{"bash": bash, "zsh": zsh, "fish": fish}[v.Shell]
	_, err := fmt.Fprint(s.Stdout, script(s.model))
	return err
}

// flagsOf are the flags of a verb, or with nil those of every verb.
func flagsOf(model *kong.Application, verb *kong.Node) []*kong.Flag {
	node := model.Node
	if verb != nil {
		node = verb
	}
	var flags []*kong.Flag
	for _, f := range node.Flags {
		if !f.Hidden {
			flags = append(flags, f)
		}
	}
	return flags
}

func bash(model *kong.Application) string {
	var verbs, cases strings.Builder
	for _, verb := range model.Children {
		fmt.Fprintf(&verbs, " %s", verb.Name)
		if len(verb.Children) == 0 {
			bashCase(&cases, verb.Name+` "*`, model, verb)
			continue
		}
		var inner strings.Builder
		for _, sub := range verb.Children {
			fmt.Fprintf(&inner, " %s", sub.Name)
			bashCase(&cases, verb.Name+" "+sub.Name+`"`, model, sub)
		}
		fmt.Fprintf(&cases, "    \"%s \"*) words=\"%s\" verb=2 ;;\n", verb.Name, strings.TrimSpace(inner.String()))
	}
	return fmt.Sprintf(`# bash completion of backstep
_backstep() {
  local words verb=1 current="${COMP_WORDS[COMP_CWORD]}"
  case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
%s    *) words="%s" ;;
  esac
  if [[ $COMP_CWORD -gt $verb && $current != -* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o filenames -F _backstep backstep
`, cases.String(), strings.TrimSpace(verbs.String()))
}

// bashCase is a verb with its flags; the pattern lacks the quotation mark that it
// begins with.
func bashCase(to *strings.Builder, pattern string, model *kong.Application, verb *kong.Node) {
	fmt.Fprintf(to, "    \"%s) words=\"", pattern)
	for _, f := range append(flagsOf(model, verb), flagsOf(model, nil)...) {
		fmt.Fprintf(to, " --%s", f.Name)
	}
	to.WriteString("\" ;;\n")
}

func zsh(model *kong.Application) string {
	return "#compdef backstep\nautoload -U +X bashcompinit && bashcompinit\n" + bash(model)
}

func fish(model *kong.Application) string {
	var b strings.Builder
	b.WriteString("# fish completion of backstep\n")
	for _, verb := range model.Children {
		fmt.Fprintf(&b, "complete -c backstep -n __fish_use_subcommand -f -a %s -d %s\n", verb.Name, quote(verb.Help))
		fishFlags(&b, model, verb, "__fish_seen_subcommand_from "+verb.Name)
		for _, sub := range verb.Children {
			fmt.Fprintf(&b, "complete -c backstep -n '__fish_seen_subcommand_from %s' -f -a %s -d %s\n", verb.Name, sub.Name, quote(sub.Help))
			fishFlags(&b, model, sub, "__fish_seen_subcommand_from "+verb.Name+"; and __fish_seen_subcommand_from "+sub.Name)
		}
	}
	for _, f := range flagsOf(model, nil) {
		fmt.Fprintf(&b, "complete -c backstep -l %s -d %s\n", f.Name, quote(f.Help))
	}
	return b.String()
}

func fishFlags(b *strings.Builder, model *kong.Application, verb *kong.Node, when string) {
	for _, f := range flagsOf(model, verb) {
		fmt.Fprintf(b, "complete -c backstep -n '%s' -l %s -d %s\n", when, f.Name, quote(f.Help))
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
