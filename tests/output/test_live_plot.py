"""The live plot: it is shown once and drawn anew at every row."""

import pinnkit as pk


def test_it_is_drawn_anew_at_every_row(monkeypatch):
    shown, drawn = [], []

    class Handle:
        def update(self, figure):
            drawn.append(len(figure.axes[0].lines[0].get_xdata()))

    def display(figure, display_id):
        assert display_id
        shown.append(figure)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    settings = {"stages": [pk.Adam(20)], "log_every": 5, "validation": 50, "progress": False}
    pk.solve(pk.problem("heat"), pk.MLP(2, 6, 1), 30, callbacks=[pk.LivePlot()], **settings)
    assert len(shown) == 1 and drawn == [1, 2, 3, 4]
