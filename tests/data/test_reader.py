# SPDX-License-Identifier: Apache-2.0
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from monai.transforms import Compose, LoadImage, LoadImaged, Orientationd
from PIL import Image

from lsms_monai.data import CTReader, find_images

FORMATS = ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.mhd", "dicom_folder"]


def load_as_lps(path):
    load = Compose(
        [
            LoadImaged("image", reader="lsms_monai.data.CTReader", ensure_channel_first=True, image_only=True),
            Orientationd("image", axcodes="LPS", labels=None),
        ]
    )
    image = load({"image": str(path)})["image"]
    return np.asarray(image[0]), image.affine.numpy()


def read(path):
    return CTReader().get_data(CTReader().read(path))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_voxels_in_the_same_place(name, volume, lps_affine, write):
    array, affine = load_as_lps(write(name, volume, lps_affine))
    np.testing.assert_array_equal(array, volume)
    np.testing.assert_allclose(affine, lps_affine, atol=1e-5)


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_a_file_stored_in_ras_order_is_not_mirrored(name, volume, lps_affine, write):
    ras = lps_affine.copy()
    ras[:3, :2] *= -1
    ras[:2, 3] = (lps_affine @ (10, 6, 0, 1))[:2]
    array, affine = load_as_lps(write(name, volume[::-1, ::-1].copy(), ras))
    np.testing.assert_array_equal(array, volume)
    np.testing.assert_allclose(affine, lps_affine, atol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_oblique_images_keep_each_voxel_at_its_place_in_the_patient(name, volume, oblique_affine, write):
    array, affine = load_as_lps(write(name, volume, oblique_affine))
    np.testing.assert_array_equal(array, volume)
    np.testing.assert_allclose(affine, oblique_affine, atol=1e-5)


@pytest.mark.parametrize("order", ["sagittal", "coronal"])
def test_volumes_with_slices_along_another_axis_are_turned_to_axial(order, volume, lps_affine, write):
    axes = {"sagittal": (1, 2, 0), "coronal": (0, 2, 1)}[order]
    turned = lps_affine.copy()
    turned[:, :3] = lps_affine[:, list(axes)]
    array, affine = load_as_lps(write("ct.nii.gz", np.ascontiguousarray(volume.transpose(axes)), turned))
    np.testing.assert_array_equal(array, volume)
    np.testing.assert_allclose(affine, lps_affine, atol=1e-5)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_sheared_nifti_is_read(kind, volume, lps_affine, tmp_path):
    lps_affine[1, 2] = 1.3
    nibabel.save(kind(volume, lps_affine), tmp_path / "ct.nii.gz")
    np.testing.assert_allclose(read(tmp_path / "ct.nii.gz")[1]["affine"], lps_affine, atol=1e-6)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_is_taken_in_the_radiological_view(suffix, tmp_path):
    picture = np.zeros((48, 32), np.uint8)
    picture[:16, :8] = 200  # upper left corner: the patient's right, in front
    Image.fromarray(picture).save(tmp_path / f"slice{suffix}")
    array, affine = load_as_lps(tmp_path / f"slice{suffix}")
    assert array.shape == (32, 48, 1)
    assert array[:6, :14].min() > 180 > 20 > array[10:].max()
    np.testing.assert_array_equal(affine, np.diag((-1, -1, 1, 1)))


def test_a_single_dicom_file_is_a_volume_of_one_slice(volume, oblique_affine, tmp_path, dicom):
    (path,) = dicom(tmp_path / "one", volume[:, :, :1], oblique_affine).iterdir()
    array, affine = load_as_lps(path)
    np.testing.assert_array_equal(array, volume[:, :, :1])
    np.testing.assert_allclose(affine[:3, [0, 1, 3]], oblique_affine[:3, [0, 1, 3]], atol=1e-5)


def test_label_maps_keep_their_integers(volume, lps_affine, write):
    labels = (volume % 4).astype(np.uint8)
    array, _ = read(write("label.nii.gz", labels, lps_affine))
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, labels)


def test_a_trailing_axis_of_one_is_dropped(volume, lps_affine, write):
    assert read(write("ct.nii.gz", volume[..., None], lps_affine))[0].shape == volume.shape


def test_meta_says_what_monai_asks(volume, lps_affine, write):
    image = LoadImage(reader="lsms_monai.data.CTReader", ensure_channel_first=True)(
        write("ct.nii.gz", volume, lps_affine)
    )
    assert image.shape == (1, *volume.shape)
    assert image.meta["filename_or_obj"].endswith("ct.nii.gz")
    assert image.meta["space"] == "RAS"
    np.testing.assert_allclose(image.meta["original_affine"], lps_affine, atol=1e-6)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"image must be an existing file or DICOM folder, got .*nowhere\.nii"):
        read(tmp_path / "nowhere.nii")


def test_a_text_file_is_no_image(tmp_path):
    (tmp_path / "report.txt").write_text("liver unremarkable")
    with pytest.raises(ValueError, match=r"image must be one of \.nii, .* got .*report\.txt; convert it"):
        read(tmp_path / "report.txt")


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii"])
@pytest.mark.parametrize("content", [b"no image at all" * 50, b"no image", b""])
def test_broken_nifti_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="must be a NIfTI image that can be read"):
        read(tmp_path / name)


def test_truncated_nifti_is_named(volume, lps_affine, write):
    path = write("ct.nii.gz", volume, lps_affine)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="must be a NIfTI image that can be read"):
        read(path)


def test_a_spoilt_compression_is_named(volume, lps_affine, write):
    path = write("ct.nii.gz", volume, lps_affine)
    content = path.read_bytes()
    path.write_bytes(content[:10] + b"\xff" * 10 + content[20:])  # the first ten bytes are gzip's header
    with pytest.raises(ValueError, match="must be a NIfTI image that can be read"):
        read(path)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha", "ct.png"])
def test_broken_image_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"no image at all" * 50)
    with pytest.raises(ValueError, match="must be an image that can be read"):
        read(tmp_path / name)


def test_four_dimensions_are_refused(volume, lps_affine, write):
    path = write("ct.nii.gz", np.stack([volume, volume], axis=-1), lps_affine)
    with pytest.raises(ValueError, match=r"must be one 3-D volume or a slice, got 4-D with shape \(11, 7, 5, 2\)"):
        read(path)


def test_four_dimensional_mha_is_refused(tmp_path):
    sitk.WriteImage(sitk.Image((4, 5, 6, 3), sitk.sitkInt16), tmp_path / "ct.mha")
    with pytest.raises(ValueError, match="must be one 3-D volume or a slice, got 4-D"):
        read(tmp_path / "ct.mha")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_pictures_are_refused(mode, tmp_path):
    Image.new(mode, (8, 9)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match=r"must have one grey value per voxel, got [34]"):
        read(tmp_path / "colour.png")


def test_colour_nifti_is_refused(tmp_path):
    colours = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "colour.nii")
    with pytest.raises(ValueError, match="must have one grey value per voxel, got colours"):
        read(tmp_path / "colour.nii")


def nifti_without_orientation(path, volume):
    image = nibabel.Nifti1Image(volume, None)
    image.header.set_sform(None, code=0)
    image.header.set_qform(None, code=0)
    nibabel.save(image, path)
    return path


def test_nifti_without_orientation_is_refused(tmp_path, volume):
    with pytest.raises(ValueError, match="sform and qform code 0: left and right cannot be told"):
        read(nifti_without_orientation(tmp_path / "ct.nii", volume))


def test_monai_does_not_read_with_another_reader_what_this_one_refuses(tmp_path, volume):
    path = nifti_without_orientation(tmp_path / "ct.nii", volume)
    with pytest.raises(ValueError, match="left and right cannot be told"):
        LoadImage(reader="lsms_monai.data.CTReader")(path)


def test_nrrd_without_a_space_is_refused(tmp_path):
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nendian: little\nencoding: raw\n\n"
    (tmp_path / "ct.nrrd").write_bytes(header.encode() + b"\0" * 48)
    with pytest.raises(ValueError, match="got no space directions: left and right cannot be told"):
        read(tmp_path / "ct.nrrd")


def test_metaimage_without_a_matrix_is_refused(tmp_path):
    header = "ObjectType = Image\nNDims = 3\nDimSize = 2 3 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    (tmp_path / "ct.mha").write_bytes(header.encode() + b"\0" * 48)
    with pytest.raises(ValueError, match="got no space directions: left and right cannot be told"):
        read(tmp_path / "ct.mha")


def test_an_affine_that_cannot_be_inverted_is_refused(tmp_path, volume):
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "flat.nii")
    header = bytearray((tmp_path / "flat.nii").read_bytes())
    header[312:328] = b"\0" * 16  # srow_z
    (tmp_path / "flat.nii").write_bytes(header)
    with pytest.raises(ValueError, match="must have an affine that can be inverted"):
        read(tmp_path / "flat.nii")


def test_several_files_are_not_one_image(tmp_path):
    with pytest.raises(ValueError, match="an image must be one file or folder, got 2"):
        CTReader().get_data(CTReader().read([tmp_path / "a.nii", tmp_path / "b.nii"]))


def test_suffixes_and_folders_are_recognised(tmp_path):
    reader = CTReader()
    assert reader.verify_suffix([tmp_path, "CT.NII.GZ", "a.mha"])
    assert not reader.verify_suffix("a.txt")


def test_images_of_a_folder_are_found_with_a_dicom_series_as_one(volume, lps_affine, write, tmp_path):
    expected = [write(name, volume, lps_affine) for name in ("a.nii.gz", "b.nrrd", "series")]
    (tmp_path / "notes.txt").write_text("none")
    assert find_images(tmp_path) == expected
    assert find_images(expected[0]) == expected[:1]


def test_hidden_folders_and_the_one_left_out_hold_no_images(volume, lps_affine, write, tmp_path):
    place = tmp_path / ".home"
    for folder in ("ward/.lsms-x", ".Trash", "results/a"):
        (place / folder).mkdir(parents=True)
    for name in ("a.nii.gz", "ward/b.nii", "ward/.lsms-x/c.nii", ".Trash/d.nii", "results/a/e.nii"):
        write(f".home/{name}", volume, lps_affine)
    assert find_images(place, without=place / "results") == [place / "a.nii.gz", place / "ward" / "b.nii"]
    assert len(find_images(place, without=tmp_path)) == len(find_images(place)) == 3


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold images"):
        find_images(tmp_path)
    with pytest.raises(FileNotFoundError, match="images must be in an existing folder"):
        find_images(tmp_path / "nowhere")
