package items

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/backstep/backstep/internal/value"
)

// shape is a field of a Parquet schema, made ready to build JSON of it. A value
// of a field comes as the values of the columns beneath it, each with levels:
// the definition level tells how much of the path to it is there, the repetition
// level which list on the path it goes on.
type shape struct {
	name       string
	repeated   bool
	optional   bool
	definition int // the levels of what the field holds
	repetition int
	leaves     int
	is         structure
	fields     []shape // of what is no leaf
	text       func(parquet.Value) value.Value
}

// structure is what becomes of a field.
type structure int

const (
	leaf structure = iota
	group
	list // of a group: one that holds an array alone
	pairs
)

// shapeOf is the shape of a column and what is beneath it.
func shapeOf(c *parquet.Column) shape {
	s := shape{name: c.Name(), repeated: c.Repeated(), optional: c.Optional(),
		definition: c.MaxDefinitionLevel(), repetition: c.MaxRepetitionLevel()}
	if c.Leaf() {
		s.leaves, s.text = 1, textOf(c.Type())
		return s
	}
	s.is = group
	for _, column := range c.Columns() {
		field := shapeOf(column)
		s.fields = append(s.fields, field)
		s.leaves += field.leaves
	}
	if len(s.fields) != 1 || !s.fields[0].repeated {
		return s
	}
	inner := &s.fields[0]
	switch kind := logical(c.Type()).(type) {
	case *format.ListType:
		s.is = list
		if inner.is == group && len(inner.fields) == 1 && inner.name != "array" && inner.name != s.name+"_tuple" {
			inner.is = list // the group that repeats is no element, but has one
		}
	case *format.MapType:
		if len(inner.fields) == 2 {
			s.is = pairs
		}
	default:
		_ = kind
	}
	return s
}

func logical(t parquet.Type) format.LogicalTypeValue {
	if l := t.LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

// field is a field's value. The columns have the values of one that holds it.
func (s *shape) field(columns [][]parquet.Value) value.Value {
	there := columns[0][0].DefinitionLevel() >= s.definition
	switch {
	case s.repeated && !there:
		return value.NewArray(nil)
	case s.repeated:
		var items []value.Value
		for _, one := range s.split(columns) {
			items = append(items, s.content(one))
		}
		return value.NewArray(items)
	case s.optional && !there:
		return value.NewNull()
	}
	return s.content(columns)
}

// split parts the columns where the field repeats.
func (s *shape) split(columns [][]parquet.Value) (all [][][]parquet.Value) {
	for i, column := range columns {
		from, n := 0, 0
		for to := 1; to <= len(column); to++ {
			if to < len(column) && column[to].RepetitionLevel() > s.repetition {
				continue
			}
			if i == 0 {
				all = append(all, make([][]parquet.Value, len(columns)))
			}
			if n < len(all) {
				all[n][i] = column[from:to]
			}
			from = to
			n++
		}
	}
	return all
}

// content is what a field holds that is there.
func (s *shape) content(columns [][]parquet.Value) value.Value {
	if s.is == leaf {
		return s.text(columns[0][0])
	}
	if s.is == list {
		return s.fields[0].field(columns)
	}
	b := value.NewBuilder(len(s.fields))
	if s.is == pairs {
		entry := &s.fields[0]
		if columns[0][0].DefinitionLevel() < entry.definition {
			return b.Object()
		}
		for _, one := range entry.split(columns) {
			key := &entry.fields[0]
			b.Set(keyText(key.field(one[:key.leaves])), entry.fields[1].field(one[key.leaves:]))
		}
		return b.Object()
	}
	for i := range s.fields {
		f := &s.fields[i]
		b.Set(f.name, f.field(columns[:f.leaves]))
		columns = columns[f.leaves:]
	}
	return b.Object()
}

// keyText is the key of a map as the name of a member.
func keyText(key value.Value) string {
	if key.Kind() == value.String {
		return key.AsString()
	}
	return key.Text().String()
}

// textOf is what becomes of a column's values.
func textOf(t parquet.Type) func(parquet.Value) value.Value {
	switch kind := logical(t).(type) {
	case *format.DecimalType:
		return func(v parquet.Value) value.Value { return decimal(unscaled(v), int(kind.Scale)) }
	case *format.DateType:
		return func(v parquet.Value) value.Value {
			return value.NewString(time.Unix(int64(v.Int32())*24*60*60, 0).UTC().Format(time.DateOnly))
		}
	case *format.TimestampType:
		layout := "2006-01-02T15:04:05.999999999"
		if kind.IsAdjustedToUTC {
			layout += "Z"
		}
		return func(v parquet.Value) value.Value {
			return value.NewString(moment(v.Int64(), kind.Unit).Format(layout))
		}
	case *format.TimeType:
		return func(v parquet.Value) value.Value {
			n := v.Int64()
			if v.Kind() == parquet.Int32 {
				n = int64(v.Int32())
			}
			return value.NewString(moment(n, kind.Unit).Format("15:04:05.999999999"))
		}
	case *format.IntType:
		if !kind.IsSigned {
			return func(v parquet.Value) value.Value {
				if v.Kind() == parquet.Int32 {
					return value.NewInt(int64(v.Uint32()))
				}
				return value.NewNumber(strconv.FormatUint(v.Uint64(), 10))
			}
		}
	case *format.UUIDType:
		return func(v parquet.Value) value.Value {
			h := hex.EncodeToString(v.ByteArray())
			if len(h) != 32 {
				return value.NewString(h)
			}
			return value.NewString(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
		}
	case *format.Float16Type:
		return func(v parquet.Value) value.Value { return float(half(v.ByteArray())) }
	}
	return plain
}

// plain is a value without a logical type, or whose logical type says nothing
// more. Bytes that are no text, and no number is in JSON, come as Base64 and null.
func plain(v parquet.Value) value.Value {
	switch v.Kind() {
	case parquet.Boolean:
		return value.NewBool(v.Boolean())
	case parquet.Int32:
		return value.NewInt(int64(v.Int32()))
	case parquet.Int64:
		return value.NewInt(v.Int64())
	case parquet.Int96: // a day of the Julian calendar, and nanoseconds of it
		i := v.Int96()
		day, nanoseconds := int64(i[2])-2440588, int64(i[1])<<32|int64(i[0])
		return value.NewString(time.Unix(day*24*60*60, nanoseconds).UTC().Format("2006-01-02T15:04:05.999999999Z"))
	case parquet.Float:
		f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v.Float()), 'g', -1, 32), 64)
		if err != nil {
			f = float64(v.Float())
		}
		return float(f)
	case parquet.Double:
		return float(v.Double())
	case parquet.ByteArray:
		if b := v.ByteArray(); utf8.Valid(b) {
			return value.NewString(string(b))
		}
	}
	return value.NewString(base64.StdEncoding.EncodeToString(v.ByteArray()))
}

func float(f float64) value.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value.NewNull()
	}
	return value.NewFloat(f)
}

// half is a float of 16 bits.
func half(b []byte) float64 {
	if len(b) != 2 {
		return math.NaN()
	}
	bits := binary.LittleEndian.Uint16(b)
	exponent, fraction := int(bits>>10&0x1F), float64(bits&0x3FF)
	f := math.Ldexp(fraction, -24)
	switch exponent {
	case 0:
	case 0x1F:
		return math.NaN()
	default:
		f = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 == 1 {
		f = -f
	}
	return f
}

// moment is a time so many units after 1970.
func moment(n int64, unit format.TimeUnit) time.Time {
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		return time.UnixMilli(n).UTC()
	case *format.NanoSeconds:
		return time.Unix(0, n).UTC()
	}
	return time.UnixMicro(n).UTC()
}

// unscaled is the whole number that a decimal has as its digits.
func unscaled(v parquet.Value) *big.Int {
	switch v.Kind() {
	case parquet.Int32:
		return big.NewInt(int64(v.Int32()))
	case parquet.Int64:
		return big.NewInt(v.Int64())
	}
	b := v.ByteArray()
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 { // two's complement
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// decimal puts the point into a whole number.
func decimal(n *big.Int, scale int) value.Value {
	digits := new(big.Int).Abs(n).String()
	if scale > 0 {
		if short := scale + 1 - len(digits); short > 0 {
			digits = strings.Repeat("0", short) + digits
		}
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		digits = "-" + digits
	}
	return value.NewNumber(digits)
}
