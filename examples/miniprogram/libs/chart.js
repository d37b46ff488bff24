// A line of values over time, on a canvas of type 2d.

const MARGIN = { left: 44, right: 10, top: 10, bottom: 22 } // px

// span returns the range of values, never empty, a little wider than they are.
function span(points) {
  const values = points.map((point) => point.value)
  const low = Math.min(...values)
  const high = Math.max(...values)
  const more = Math.max((high - low) * 0.1, 0.5)
  return [low - more, high + more]
}

function clock(time) {
  const two = (n) => String(n).padStart(2, '0')
  const at = new Date(time)
  return two(at.getHours()) + ':' + two(at.getMinutes()) + ':' + two(at.getSeconds())
}

// draw draws points, {time, value} in order of time, on a context of width x height px.
function draw(context, width, height, points) {
  context.clearRect(0, 0, width, height)
  if (points.length === 0) return
  const [low, high] = span(points)
  const first = points[0].time
  const last = Math.max(points[points.length - 1].time, first + 1000)
  const x = (time) => MARGIN.left + (width - MARGIN.left - MARGIN.right) * (time - first) / (last - first)
  const y = (value) => height - MARGIN.bottom - (height - MARGIN.top - MARGIN.bottom) * (value - low) / (high - low)
  grid(context, width, [low, (low + high) / 2, high], y)
  context.textAlign = 'left'
  context.fillText(clock(first), MARGIN.left, height - 5)
  context.textAlign = 'right'
  context.fillText(clock(last), width - MARGIN.right, height - 5)
  context.strokeStyle = '#0a7d5a'
  context.lineWidth = 2
  context.beginPath()
  points.forEach((point, i) => (i === 0 ? context.moveTo(x(point.time), y(point.value)) : context.lineTo(x(point.time), y(point.value))))
  context.stroke()
  const end = points[points.length - 1]
  context.fillStyle = '#0a7d5a'
  context.beginPath()
  context.arc(x(end.time), y(end.value), 3, 0, 2 * Math.PI)
  context.fill()
}

function grid(context, width, values, y) {
  context.font = '11px sans-serif'
  context.fillStyle = '#5c6670'
  context.strokeStyle = '#dfe3e6'
  context.lineWidth = 1
  context.textAlign = 'right'
  context.textBaseline = 'alphabetic'
  values.forEach((value) => {
    context.beginPath()
    context.moveTo(MARGIN.left, y(value))
    context.lineTo(width - MARGIN.right, y(value))
    context.stroke()
    context.fillText(value.toFixed(1), MARGIN.left - 5, y(value) + 4)
  })
}

module.exports = { draw }
