from ghost_vpr_ros.replay.sample_town.preview import GAP_PX, paint_preview


def test_the_sheet_has_a_row_for_each_drive(small_town):
    sheet = paint_preview(small_town, [0, 1], [5, 30, 60], width_px=64)

    assert sheet.shape == (2 * (48 + GAP_PX) + GAP_PX, 3 * (64 + GAP_PX) + GAP_PX, 3)
    assert (sheet[0] == 255).all()
    assert sheet[GAP_PX : GAP_PX + 48, GAP_PX : GAP_PX + 64].std() > 20
